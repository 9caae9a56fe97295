import HTTPTypes

/// What a server has at its paths.
struct Routes: Sendable {
    private var webSockets: [String: Route] = [:]
    private var pages: [String: @Sendable (HTTPRequest, String) -> HTTPAnswer] = [:]

    mutating func add(_ path: String, _ route: Route) {
        precondition(path.hasPrefix("/"), "a route's path begins with /")
        precondition(webSockets.updateValue(route, forKey: path) == nil, "\(path) has a route already")
    }

    mutating func add(_ path: String, page: @escaping @Sendable (HTTPRequest, String) -> HTTPAnswer) {
        precondition(path.hasPrefix("/"), "a page's path begins with /")
        precondition(pages.updateValue(page, forKey: path) == nil, "\(path) has a page already")
    }

    func webSocket(at path: String) -> Route? { webSockets[path] }

    func page(at path: String) -> (@Sendable (HTTPRequest, String) -> HTTPAnswer)? { pages[path] }
}

/// A WebSocket at a path.
struct Route: Sendable {
    /// Who handles its connections.
    enum Target: Sendable {
        case task(WebSocketServer.Handler)
        case onLoop(@Sendable (WebSocketHandshake) -> any OnLoopHandler)
    }

    var subprotocols: [String]
    var target: Target
}
