public import HTTPTypes
public import LifelineCore

/// An event in the lifecycle of a connection, with the instant at which it happened.
public struct LifecycleEvent: Sendable {
    /// The kind of an event.
    @nonexhaustive(warn)
    public enum Kind: Sendable {
        /// A client starts to look up the host, if the address has a name, and to connect.
        case connecting(to: ServerAddress)
        /// A client has resolved the host's addresses.
        case resolved(addresses: [String])
        /// A client could not connect; the text says why. This is the last event.
        case connectFailed(String)
        /// TCP is established. The TLS handshake follows if TLS is used.
        case connected(remoteAddress: String)
        /// The TLS handshake is complete.
        case secured(TLSSummary)
        /// A client has sent the request of the opening handshake.
        case requestSent(HTTPRequest)
        /// A server has received a request.
        case requestReceived(HTTPRequest)
        /// A server has sent its response.
        case responseSent(HTTPResponse)
        /// A client has received the server's response.
        case responseReceived(HTTPResponse)
        /// A frame has been written. The preview is the beginning of its payload before compression and masking. The
        /// header of a client's frame does not contain the masking key.
        case frameSent(FrameHeader, preview: [UInt8])
        /// A frame has been read. The preview is the beginning of its payload after unmasking and decompression. The
        /// payload of a fragment is reported with its message.
        case frameReceived(FrameHeader, preview: [UInt8])
        /// The last frame of a message has been written.
        case messageSent(MessageSummary)
        /// The last frame of a message has been read.
        case messageReceived(MessageSummary)
        /// A Pong has answered one of our Pings, after this round-trip time.
        case roundTrip(Duration)
        /// The connection has stopped reading from the socket, because the application receives too slowly.
        case readingPaused
        /// The connection reads from the socket again.
        case readingResumed
        /// The transport is above its high-water mark, because the peer reads too slowly, and has `pendingBytes` bytes
        /// left to write.
        case writingPaused(pendingBytes: Int)
        /// The transport is writable again.
        case writingResumed
        /// The compression statistics of the connection, if compression was agreed; shortly before ``ended(_:)``.
        case compressed(CompressionStatistics)
        /// The byte stream has failed, for example because of a reset by the peer or a TLS error.
        case transportFailed(String)
        /// The WebSocket has ended with this outcome. TCP may still be open.
        case ended(CloseOutcome)
        /// We have ended our side of the TCP connection (sent FIN).
        case outputEnded
        /// The peer has ended its side of the TCP connection (sent FIN).
        case inputEnded
        /// The TCP connection is closed. This is the last event.
        case tcpEnded
    }

    /// A summary of a complete message.
    public struct MessageSummary: Sendable {
        /// Whether the message is text or binary.
        public var kind: MessageKind
        /// The size of its payload in bytes, before compression.
        public var size: Int
        /// The size of its frames' payloads in bytes; usually less than ``size`` if the message is compressed.
        public var wireSize: Int
        /// Whether the message is compressed.
        public var isCompressed: Bool
        /// The number of its frames.
        public var frames: Int
        /// The beginning of its payload, at most ``LifecycleObserver/payloadLimit`` bytes. For a message that the
        /// application sends or receives in chunks, only the beginning of the first chunk.
        public var payload: [UInt8]
    }

    /// The result of a TLS handshake.
    public struct TLSSummary: Hashable, Sendable {
        /// The version of TLS, such as `TLSv1.3`.
        public var version: String
        /// A description of the peer's certificate with its serial number, common name and alternative names; `nil` if
        /// the peer presented none.
        public var peerCertificate: String?
    }

    /// The connection's number, unique within the process.
    public let connectionID: UInt64
    /// Whether the event happened at a client or at a server.
    public let role: WebSocketRole
    /// When the event happened, on a monotonic clock that all connections of the process share.
    public let instant: MonotonicInstant
    /// The kind of the event.
    public let kind: Kind

    /// The default of ``LifecycleObserver/payloadLimit``, in bytes.
    public static let defaultPayloadLimit = 256
}
