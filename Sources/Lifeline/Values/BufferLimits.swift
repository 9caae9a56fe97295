import NIOCore

/// How many bytes a connection buffers for its application and for its peer before it applies back-pressure.
public struct BufferLimits: Hashable, Sendable {
    /// A high-water mark above which reading or sending stops, and a low-water mark at which it resumes.
    public struct Marks: Hashable, Sendable {
        /// The high-water mark, in bytes.
        public var high: Int
        /// The low-water mark, in bytes.
        public var low: Int

        /// Creates water marks; requires `0 < low <= high`.
        public init(low: Int, high: Int) {
            precondition(0 < low && low <= high, "water marks must satisfy 0 < low <= high, and are \(low), \(high)")
            self.low = low
            self.high = high
        }
    }

    /// The limit for messages that have arrived and have not been received. Above the high mark the connection stops
    /// reading from the socket, and TCP slows the peer down. Each message counts 64 bytes in addition to its payload.
    /// Default: 16 KiB and 64 KiB.
    ///
    /// One message may exceed the mark, because `EndpointConfiguration.maximumMessageSize` limits its size.
    public var inbound: Marks
    /// The limit for frames that the socket has not accepted yet. Above the high mark `send` waits. Default: 32 KiB and
    /// 64 KiB.
    public var outbound: Marks
    /// The maximum number of bytes that `enqueue` and on-loop handlers may queue, since they do not wait for the peer.
    /// If more is already queued when another message is sent, the connection is aborted. Default:
    /// 16 MiB.
    ///
    /// One message may exceed the limit, so that a message of any size can be sent. Each message counts 128 bytes in
    /// addition to its payload.
    public var maximumOutbound: Int
    /// How long the peer may accept no bytes while output is pending. After that the connection is aborted. A peer may
    /// read slowly, but one that reads nothing would block senders, even if it still sends messages itself. Default: 60
    /// s; `nil` sets no limit.
    public var stallTimeout: Duration?

    /// Creates limits.
    public init(
        inbound: Marks = Marks(low: 16 << 10, high: 64 << 10), outbound: Marks = Marks(low: 32 << 10, high: 64 << 10),
        maximumOutbound: Int = 16 << 20, stallTimeout: Duration? = .seconds(60)
    ) {
        self.inbound = inbound
        self.outbound = outbound
        self.maximumOutbound = maximumOutbound
        self.stallTimeout = stallTimeout
    }
}
