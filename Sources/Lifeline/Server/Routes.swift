import LifelineCore

/// The WebSocket routes and HTTP responses of a server, by path.
struct Routes: Sendable {
    typealias Page = @Sendable (ServerRequest) -> HTTPServerResponse

    private var webSockets: [String: Route] = [:]
    private var pages: [String: Page] = [:]

    mutating func add(_ path: String, _ route: Route) {
        precondition(path.hasPrefix("/"), "a route's path must begin with /, and \(path) does not")
        precondition(webSockets.updateValue(route, forKey: path) == nil, "\(path) already has a route")
    }

    mutating func add(_ path: String, page: @escaping Page) {
        precondition(path.hasPrefix("/"), "a response's path must begin with /, and \(path) does not")
        precondition(pages.updateValue(page, forKey: path) == nil, "\(path) already has a response")
    }

    func webSocket(at path: String) -> Route? { webSockets[path] }

    func page(at path: String) -> Page? { pages[path] }
}

/// A WebSocket route at a path.
struct Route: Sendable {
    /// The handler of the route's connections.
    enum Target: Sendable {
        case task(WebSocketServer.Handler)
        case onLoop(@Sendable (WebSocketHandshake) -> any OnLoopHandler)
    }

    /// How the server decides whether to open a WebSocket.
    enum Opening: Sendable {
        /// Opens each connection at once.
        case always(Target)
        /// Asks the application first. The target already holds the value that the application accepted with.
        case deciding(@Sendable (ServerRequest) async throws -> UpgradeAcceptance<Target>)

        /// Asks the application first, and makes the target from the value that it accepted with.
        static func deciding<Value>(
            _ upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Value>,
            target: @escaping @Sendable (Value) -> Target
        ) -> Opening {
            .deciding { request in try await upgrade(request).map(target) }
        }
    }

    /// The subprotocols that the handler supports, in order of preference.
    var subprotocols: [String]
    /// Which web pages may connect; `nil` for the server's policy.
    var originPolicy: OriginPolicy?
    var opening: Opening
}

extension UpgradeAcceptance {
    /// Returns the acceptance with another value.
    func map<Other: Sendable>(_ transform: (Value) -> Other) -> UpgradeAcceptance<Other> {
        .accept(transform(value), subprotocol: subprotocol, headerFields: headerFields)
    }
}
