import NIOCore

/// How many bytes a connection holds for its application and for its peer before it slows the one or the other down.
public struct BufferLimits: Hashable, Sendable {
    /// A high-water mark at which something stops, and a low-water mark at which it goes on.
    public struct Marks: Hashable, Sendable {
        /// The mark at which it stops, in bytes.
        public var high: Int
        /// The mark at which it goes on, in bytes.
        public var low: Int

        /// Marks with `0 < low <= high`.
        public init(low: Int, high: Int) {
            precondition(0 < low && low <= high, "water marks must satisfy 0 < low <= high")
            self.low = low
            self.high = high
        }
    }

    /// Messages that have arrived and were not received yet. Above the high mark the socket is not read from, and TCP slows
    /// the peer down. Each message counts 64 bytes besides its own. Default: 16 KiB and 64 KiB.
    ///
    /// One message may pass the mark, since what is being put together is bounded by the limit on messages.
    public var inbound: Marks
    /// Frames that the socket did not take yet. Above the high mark `send` waits. Default: 32 KiB and 64 KiB.
    public var outbound: Marks
    /// The most bytes that `enqueue` and handlers on the loop may queue, since they do not wait for the peer. If more is queued
    /// and another message is sent, the connection is ended, because its peer does not read. Default: 16 MiB.
    ///
    /// One message may exceed the limit, so that a message of any size can be sent. Each message counts 128 bytes in addition to
    /// its payload.
    public var maximumOutbound: Int
    /// How long a peer may take nothing of what waits for it before the connection is ended. It need not read fast, but it
    /// must read: senders wait for it meanwhile, whatever it sends itself. Default: 60 s; `nil` lets them wait for as long
    /// as TCP lives.
    public var stallTimeout: Duration?

    /// The defaults.
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
