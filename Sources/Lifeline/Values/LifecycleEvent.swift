public import HTTPTypes
public import LifelineCore

/// One observable step in a connection's life, as a value with a time.
public struct LifecycleEvent: Sendable {
    /// What happened. Minor versions may add cases: a `switch` needs a `default`.
    public enum Kind: Sendable {
        /// A client looks for the host.
        case connecting(host: String, port: Int)
        /// A client has found the host's addresses.
        case resolved(addresses: [String])
        /// A client got no connection, and why. It is the last event.
        case connectFailed(String)
        /// TCP is there. Where TLS is used, its handshake follows.
        case connected(remoteAddress: String)
        /// TLS is there.
        case secured(TLSSummary)
        /// A client has sent its request.
        case requestSent(HTTPRequest)
        /// A server has received a request.
        case requestReceived(HTTPRequest)
        /// A server has sent its answer.
        case responseSent(HTTPResponse)
        /// A client has received the server's answer.
        case responseReceived(HTTPResponse)
        /// A frame has been written, and how its payload begins, before it was compressed. The masking key of a client's is
        /// not told.
        case frameSent(FrameHeader, preview: [UInt8])
        /// A frame has been read, and how its payload begins, unmasked and decompressed. A fragment's payload is told with
        /// its message.
        case frameReceived(FrameHeader, preview: [UInt8])
        /// The last frame of a message has been written.
        case messageSent(MessageSummary)
        /// A message has been read to its end.
        case messageReceived(MessageSummary)
        /// A Pong has answered a Ping of ours.
        case roundTrip(Duration)
        /// The application is behind: the socket is not read from.
        case readingPaused
        /// The application has caught up.
        case readingResumed
        /// The peer is behind: the transport takes no more, and has so many bytes to write yet.
        case writingPaused(pendingBytes: Int)
        /// The peer has caught up.
        case writingResumed
        /// What compression has saved, where it was agreed on; shortly before ``ended(_:)``.
        case compressed(CompressionStatistics)
        /// The byte stream has failed: a reset by the peer, a TLS error.
        case transportFailed(String)
        /// How the WebSocket ended is decided.
        case ended(CloseOutcome)
        /// This side has ended its side of TCP.
        case outputEnded
        /// The peer has ended its side of TCP.
        case inputEnded
        /// TCP has ended on both sides. It is the last event.
        case tcpEnded
    }

    /// A message, complete.
    public struct MessageSummary: Sendable {
        /// Whether it is text or binary.
        public var kind: MessageKind
        /// The bytes of its payload.
        public var size: Int
        /// What its frames carried; less than ``size`` where it was compressed.
        public var wireSize: Int
        /// Whether it was compressed.
        public var isCompressed: Bool
        /// The number of its frames.
        public var frames: Int
        /// How its payload begins, as far as ``LifecycleObserver/payloadLimit`` allows. A message that an application
        /// receives, or sends, in parts shows what came in its first.
        public var payload: [UInt8]
    }

    /// What TLS has agreed on.
    public struct TLSSummary: Hashable, Sendable {
        /// The protocol's version, as `TLSv1.3`.
        public var version: String
        /// The peer's certificate in words: serial number, common name, alternative names; `nil` where it showed none.
        public var peerCertificate: String?
    }

    /// A number of the connection's own within the process.
    public let connectionID: UInt64
    /// The side on which it happened.
    public let role: WebSocketRole
    /// When it happened, on a monotonic clock that all connections of the process share.
    public let instant: MonotonicInstant
    /// What happened.
    public let kind: Kind

    /// How many bytes of a payload are shown unless an observer says otherwise.
    public static let defaultPayloadLimit = 256
}
