import LifelineCore

/// What a server has at its paths.
struct Routes: Sendable {
    typealias Page = @Sendable (ServerRequest) -> HTTPServerResponse

    private var webSockets: [String: Route] = [:]
    private var pages: [String: Page] = [:]

    mutating func add(_ path: String, _ route: Route) {
        precondition(path.hasPrefix("/"), "a route's path begins with /")
        precondition(webSockets.updateValue(route, forKey: path) == nil, "\(path) has a route already")
    }

    mutating func add(_ path: String, page: @escaping Page) {
        precondition(path.hasPrefix("/"), "a page's path begins with /")
        precondition(pages.updateValue(page, forKey: path) == nil, "\(path) has a page already")
    }

    func webSocket(at path: String) -> Route? { webSockets[path] }

    func page(at path: String) -> Page? { pages[path] }
}

/// A WebSocket at a path.
struct Route: Sendable {
    /// Handles the route's connections.
    enum Target: Sendable {
        case task(WebSocketServer.Handler)
        case onLoop(@Sendable (WebSocketHandshake) -> any OnLoopHandler)
    }

    /// Opens connections to a route.
    enum Opening: Sendable {
        /// Opens each at once.
        case always(Target)
        /// Asks the application first. The value it accepts with is bound into the target.
        case deciding(@Sendable (ServerRequest) async throws -> UpgradeDecision<Target>)

        /// Asks the application first, and makes the target from the value it accepts with.
        static func deciding<Value>(
            _ upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeDecision<Value>,
            target: @escaping @Sendable (Value) -> Target
        ) -> Opening {
            .deciding { request in try await upgrade(request).map(target) }
        }
    }

    /// The subprotocols that its handler speaks, in its order of preference.
    var subprotocols: [String]
    /// Which web pages may connect; `nil` for the server's own policy.
    var originPolicy: OriginPolicy?
    var opening: Opening
}

extension UpgradeDecision {
    /// The decision with another value.
    func map<Other: Sendable>(_ transform: (Value) -> Other) -> UpgradeDecision<Other> {
        switch self {
        case .accepted(let acceptance):
            .accept(
                transform(acceptance.value), subprotocol: acceptance.subprotocol, headerFields: acceptance.headerFields)
        case .refused(let refusal): .refused(refusal)
        }
    }
}
