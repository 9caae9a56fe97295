/// The limits and timeouts of an endpoint.
///
/// Begin with ``client`` or ``server``. Their defaults differ, because a server's clients are unknown, and a client chose its server.
public struct EndpointConfiguration: Hashable, Sendable {
    /// The most bytes of a frame's payload. Default: the same as ``maximumMessageSize``.
    ///
    /// A longer frame fails the connection with 1009 as soon as its header has arrived; no memory is allocated for it.
    /// For a compressed frame, the limit is on the inflated size. If its header announces more bytes than a message of
    /// that size can need when compressed, it fails the connection at once too.
    public var maximumFrameSize: Int
    /// The most bytes of a message, over all its fragments, after decompression. Default: 1 MiB for a server, 16 MiB for a client.
    ///
    /// A longer message fails the connection with 1009 as soon as the sum of the announced lengths exceeds the limit.
    public var maximumMessageSize: Int
    /// The most frames of a message. Every 32 bytes of received payload (on the wire, if compressed) allow one more. Default: 16 384.
    /// One more than that fails the connection with 1008.
    ///
    /// Without this limit, a message of empty fragments could cost endless work and never exceed a limit on bytes. Because it grows
    /// with what arrives, a message in fragments of at least 32 bytes never exceeds it.
    public var maximumFragmentsPerMessage: Int
    /// The most bytes of an HTTP head, from the first byte to the empty line. Default: 16 KiB. A server refuses a longer one with 431.
    public var maximumHeadSize: Int
    /// The most header fields of an HTTP head. Default: 100. A server refuses more with 431.
    public var maximumHeaderFields: Int
    /// How long the opening handshake may take. Default: 10 s.
    ///
    /// After that the connection is closed. The timeout also limits how long a server's connection may be idle between two ordinary
    /// HTTP requests. A client whose handshake is refused waits at most 1 s for a body that only the end of the stream ends.
    public var handshakeTimeout: Duration
    /// A server: how long an ordinary HTTP request may take from the end of its head to the beginning of the response, its body
    /// included. Default: 30 s.
    ///
    /// After that the server answers with 503, or with 408 if it waits for the body.
    public var requestTimeout: Duration
    /// How long the closing handshake may take, and after it the end of TCP. Default: 10 s.
    public var closeTimeout: Duration
    /// When to send Pings, and how long the peer may stay silent after one. Default: ``HeartbeatConfiguration/init(interval:timeout:)``.
    public var heartbeat: HeartbeatConfiguration
    /// Whether and how messages are compressed if the peer agrees; `nil` for never. Default: ``CompressionConfiguration/init()`` for a
    /// client, ``CompressionConfiguration/server`` for a server.
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
        requestTimeout = .seconds(30)
        closeTimeout = .seconds(10)
        heartbeat = HeartbeatConfiguration()
    }
}

extension EndpointConfiguration {
    /// The limits on frames and messages.
    var frameLimits: FrameReader.Limits {
        FrameReader.Limits(
            frameSize: maximumFrameSize, messageSize: maximumMessageSize, fragments: maximumFragmentsPerMessage)
    }
}
