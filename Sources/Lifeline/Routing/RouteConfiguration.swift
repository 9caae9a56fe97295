public import LifelineCore

/// The settings of a route. They begin as those of the server, or of the group that the route is in.
///
/// ```swift
/// server.route("/upload") { configuration in
///     configuration.endpoint.maximumMessageSize = 64 << 20
///     configuration.endpoint.compression = nil
/// } handler: { socket in
///     for try await message in socket { try await store(message) }
/// }
/// ```
public struct RouteConfiguration: Sendable {
    /// The subprotocols that the handler supports, in order of preference. Default: none.
    public var subprotocols: [String] = []
    /// Which web pages may connect. Default: the server's policy.
    public var originPolicy: OriginPolicy
    /// The limits, compression, heartbeat and timeouts of open connections. Default: the server's.
    ///
    /// The limits and the timeout of the opening handshake (`maximumHeadSize`, `maximumHeaderFields`,
    /// `handshakeTimeout`) have no effect here, because the route is known only after the request.
    public var endpoint: EndpointConfiguration
    /// How many bytes are buffered for the application and for the peer. Default: the server's limits.
    public var buffers: BufferLimits
}
