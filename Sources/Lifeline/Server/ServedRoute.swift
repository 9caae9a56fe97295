import LifelineCore

/// A WebSocket route of a running server, with its configuration.
struct ServedRoute: Sendable {
    let pattern: RoutePattern
    let subprotocols: [String]
    let originPolicy: OriginPolicy
    let compression: CompressionConfiguration?
    /// The limits and timeouts of open connections; `nil` if they are the server's.
    let endpoint: SharedEndpointConfiguration?
    /// The buffer limits and observers of open connections; `nil` if they are the server's.
    let settings: ConnectionSettings?
    let opening: Route.Opening

    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidConfiguration``.
    init(
        _ route: Route, at pattern: RoutePattern, of server: WebSocketServerConfiguration
    ) throws(WebSocketError) {
        var configuration = RouteConfiguration(
            originPolicy: server.originPolicy, endpoint: server.endpoint, buffers: server.buffers)
        for configure in route.configure { configure(&configuration) }
        if let invalid = configuration.originPolicy.invalidOrigin {
            throw WebSocketError(
                .invalidConfiguration, "invalid origin policy (originPolicy) of the route \(pattern.text): \(invalid)")
        }
        self.pattern = pattern
        subprotocols = configuration.subprotocols
        originPolicy = configuration.originPolicy
        compression = configuration.endpoint.compression
        endpoint =
            configuration.endpoint == server.endpoint ? nil : SharedEndpointConfiguration(configuration.endpoint)
        settings =
            configuration.buffers == server.buffers
            ? nil : ConnectionSettings(configuration.buffers, server.observers)
        opening = route.opening
    }
}
