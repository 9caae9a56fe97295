/// The limits and times of one side of a connection.
///
/// ``client`` and ``server`` have defaults of their own: a server meets strangers, a client chose its peer.
public struct EndpointConfiguration: Hashable, Sendable {
    /// The most bytes of a frame's payload. Default: as ``maximumMessageSize``. A longer frame is answered with 1009 as
    /// soon as its header is there; nothing is allocated for it. Of a compressed one what it gives counts; where its header
    /// announces more than as many bytes can need, it is answered with 1009 at once.
    public var maximumFrameSize: Int
    /// The most bytes of a message, over all its fragments. Default: 1 MiB for a server, 16 MiB for a client. A longer
    /// message is answered with 1009 as soon as the sum of the announced lengths passes the limit.
    public var maximumMessageSize: Int
    /// The most frames of a message, and one more for every 32 bytes of payload received (on the wire, where compressed).
    /// Default: 16 384. One more than that is answered with 1008.
    ///
    /// Without it, a message of empty fragments would cost work for ever without ever meeting a limit on bytes. Since it grows
    /// with what arrives, a message in fragments of 32 bytes or more never meets it.
    public var maximumFragmentsPerMessage: Int
    /// The most bytes of an HTTP head, from the first byte to the empty line. Default: 16 KiB. A server answers a longer
    /// one with 431.
    public var maximumHeadSize: Int
    /// The most header fields of an HTTP head. Default: 100. A server answers more with 431.
    public var maximumHeaderFields: Int
    /// How long the opening handshake may take, from the first instant on. Default: 10 s.
    ///
    /// A server closes the connection then; so also one that is idle between two ordinary HTTP requests. A client that is
    /// refused waits no longer than 1 s for the body of an answer that does not say how long it is.
    public var handshakeTimeout: Duration
    /// How long the closing handshake may take, and then the end of TCP. Default: 10 s.
    public var closeTimeout: Duration
    /// When to ping, and when to take silence for death.
    public var heartbeat: HeartbeatConfiguration
    /// Whether and how messages are compressed, where the peer agrees; `nil` for never. Default:
    /// ``CompressionConfiguration/init()`` for a client, ``CompressionConfiguration/server`` for a server.
    public var compression: CompressionConfiguration?

    /// The defaults of a client.
    public static var client: EndpointConfiguration {
        EndpointConfiguration(maximumMessageSize: 16 << 20, compression: CompressionConfiguration())
    }
    /// The defaults of a server.
    public static var server: EndpointConfiguration {
        EndpointConfiguration(maximumMessageSize: 1 << 20, compression: .server)
    }

    private init(maximumMessageSize: Int, compression: CompressionConfiguration) {
        self.compression = compression
        self.maximumFrameSize = maximumMessageSize
        self.maximumMessageSize = maximumMessageSize
        maximumFragmentsPerMessage = 16_384
        maximumHeadSize = 16 << 10
        maximumHeaderFields = 100
        handshakeTimeout = .seconds(10)
        closeTimeout = .seconds(10)
        heartbeat = HeartbeatConfiguration()
    }
}

extension EndpointConfiguration {
    /// The limits of frames and of messages in frames.
    var frameLimits: FrameReader.Limits {
        FrameReader.Limits(
            frameSize: maximumFrameSize, messageSize: maximumMessageSize, fragments: maximumFragmentsPerMessage)
    }
}
