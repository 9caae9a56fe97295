package import HTTPTypes
internal import LifelineCore

/// What a server has at its paths.
struct Routes: Sendable {
    private var webSockets: [String: Route] = [:]
    private var pages: [String: @Sendable (RouteRequest) -> HTTPServerResponse] = [:]

    mutating func add(_ path: String, _ route: Route) {
        precondition(path.hasPrefix("/"), "a route's path begins with /")
        precondition(webSockets.updateValue(route, forKey: path) == nil, "\(path) has a route already")
    }

    mutating func add(_ path: String, page: @escaping @Sendable (RouteRequest) -> HTTPServerResponse) {
        precondition(path.hasPrefix("/"), "a page's path begins with /")
        precondition(pages.updateValue(page, forKey: path) == nil, "\(path) has a page already")
    }

    func webSocket(at path: String) -> Route? { webSockets[path] }

    func page(at path: String) -> (@Sendable (RouteRequest) -> HTTPServerResponse)? { pages[path] }
}

/// A request that a route decides about.
package struct RouteRequest: Sendable {
    /// The request.
    package let request: HTTPRequest
    /// The address and port of who sent it: of a proxy, where there is one between.
    package let remoteAddress: String
    /// Whether it came as HTTP/1.0, which no browser speaks any more, and some proxies do.
    package let isHTTP10: Bool
}

extension RouteRequest {
    init(_ request: InboundRequest, from remoteAddress: String) {
        self.init(request: request.request, remoteAddress: remoteAddress, isHTTP10: request.isHTTP10)
    }
}

/// A WebSocket at a path.
struct Route: Sendable {
    /// Who handles its connections.
    enum Target: Sendable {
        case task(WebSocketServer.Handler)
        case onLoop(@Sendable (WebSocketHandshake) -> any OnLoopHandler)
    }

    var subprotocols: [String]
    /// Which web pages may connect; `nil` for those of the server's configuration.
    var originPolicy: OriginPolicy?
    /// Decides about a request before it is answered with 101, on its connection's loop.
    var check: (@Sendable (RouteRequest) throws(HandshakeRefusal) -> Void)?
    var target: Target
}
