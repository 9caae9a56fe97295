public import HTTPTypes
public import LifelineCore

/// One observable step in a connection's life, as a value with a time.
public struct LifecycleEvent: Sendable {
    /// What happened.
    public enum Kind: Sendable {
        /// TCP is there. Where TLS is used, its handshake follows.
        case connected(remoteAddress: String)
        /// A client has sent its request.
        case requestSent(HTTPRequest)
        /// A server has received a request.
        case requestReceived(HTTPRequest)
        /// A server has sent its answer.
        case responseSent(HTTPResponse)
        /// A client has received the server's answer.
        case responseReceived(HTTPResponse)
        /// A frame has been written, and how its payload begins, before it was compressed.
        case frameSent(FrameHeader, preview: [UInt8])
        /// A frame has been read, and how its payload begins, unmasked and decompressed.
        case frameReceived(FrameHeader, preview: [UInt8])
        /// A Pong has answered a Ping of ours.
        case roundTrip(Duration)
        /// The application is behind: the socket is not read from.
        case readingPaused
        /// The application has caught up.
        case readingResumed
        /// What compression has saved, where it was agreed on; shortly before ``ended(_:)``.
        case compressed(CompressionStatistics)
        /// How the WebSocket ended is decided.
        case ended(CloseOutcome)
        /// This side has ended its side of TCP.
        case outputEnded
        /// The peer has ended its side of TCP.
        case inputEnded
        /// TCP has ended on both sides.
        case tcpEnded
    }

    /// A number of the connection's own within the process.
    public let connectionID: UInt64
    /// The side on which it happened.
    public let role: Role
    /// When it happened, on a monotonic clock that all connections of the process share.
    public let instant: Instant
    /// What happened.
    public let kind: Kind

    /// The most bytes of a payload that a preview shows.
    public static let maximumPreviewSize = 256
}

/// Is told what happens to connections, as it happens.
///
/// It is called on the connections' event loops: it must not block, and what takes time belongs elsewhere. Where no
/// observer is set, observing costs a comparison with `nil`.
public protocol LifecycleObserver: Sendable {
    /// Something happened.
    func observe(_ event: LifecycleEvent)
}
