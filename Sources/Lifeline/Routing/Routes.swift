import HTTPTypes
import LifelineCore

/// The WebSocket routes and the HTTP responders of a server, by path.
struct Routes: Sendable {
    private(set) var webSockets = RouteTable<Route>()
    private(set) var responders = RouteTable<[HTTPRequest.Method: Responder]>()

    /// Adds a WebSocket route.
    mutating func add(_ path: String, _ route: Route) {
        let pattern = Routes.pattern(path)
        webSockets.set(pattern) { existing in
            if let existing { fatalError(Routes.conflict(pattern, existing.pattern, "a route")) }
            return route
        }
    }

    /// Adds a responder for some methods.
    mutating func add(_ path: String, methods: [HTTPRequest.Method], _ responder: @escaping Responder) {
        let pattern = Routes.pattern(path)
        precondition(!methods.isEmpty, "the responder at \(path) has no methods")
        responders.set(pattern) { existing in
            var value = existing?.value ?? [:]
            for method in methods {
                if let existing, value.updateValue(responder, forKey: method) != nil {
                    fatalError(Routes.conflict(pattern, existing.pattern, "a responder for \(method)"))
                }
                value[method] = responder
            }
            return value
        }
    }

    /// Adds everything that another value has.
    mutating func add(_ other: Routes) {
        for entry in other.webSockets.entries { add(entry.pattern.text, entry.value) }
        for entry in other.responders.entries {
            for (method, responder) in entry.value { add(entry.pattern.text, methods: [method], responder) }
        }
    }

    // Routes are written by programmers, so a mistake in one ends the program. `fatalError` explains itself in release
    // builds too.

    private static func pattern(_ path: String) -> RoutePattern {
        do throws(RoutePattern.Malformed) {
            return try RoutePattern(path)
        } catch {
            fatalError(error.description)
        }
    }

    private static func conflict(_ pattern: RoutePattern, _ existing: RoutePattern, _ what: String) -> String {
        pattern.text == existing.text
            ? "\(pattern.text) already has \(what)"
            : "\(pattern.text) matches the same paths as \(existing.text), which already has \(what)"
    }
}

/// Answers ordinary HTTP requests.
typealias Responder = @Sendable (ServerRequest) async throws -> HTTPServerResponse

/// A WebSocket route.
struct Route: Sendable {
    /// The handler of the route's connections.
    enum Target: Sendable {
        case task(@Sendable (WebSocket) async throws -> Void)
        case onLoop(@Sendable (WebSocketHandshake) -> any OnLoopHandler)
    }

    /// Decides about a request. The target already holds the value that the application accepted with.
    typealias Decide = @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Target>

    /// How the server decides whether to open a WebSocket.
    enum Opening: Sendable {
        /// Opens each connection at once.
        case always(Target)
        /// Asks the application first.
        case deciding(Decide)
    }

    /// The functions that change the server's configuration for this route, the outermost group's first.
    var configure: [ConfigureRoute]
    var opening: Opening
}

/// Changes the configuration of a route, which begins as that of the server or of the enclosing group.
typealias ConfigureRoute = @Sendable (inout RouteConfiguration) -> Void

extension UpgradeAcceptance {
    /// Returns the acceptance with another value.
    func map<Other: Sendable>(_ transform: (Value) -> Other) -> UpgradeAcceptance<Other> {
        .accept(transform(value), subprotocol: subprotocol, headerFields: headerFields)
    }
}
