public import HTTPTypes
import LifelineCore
import Logging
public import ServiceLifecycle

/// Accepts connections and passes each to the handler of its path.
///
/// ```swift
/// var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
/// server.route("/echo") { socket in
///     for try await message in socket { try await socket.send(message) }
/// }
/// try await server.run()
/// ```
///
/// It is a `Service` of swift-service-lifecycle. On graceful shutdown it stops listening, closes each connection with
/// 1001, and waits for the closing handshakes and the handlers for at most
/// ``WebSocketServerConfiguration/shutdownTimeout``.
public struct WebSocketServer: Service {
    /// A function that handles a connection. It runs as a task on the connection's event loop: it may await, but must
    /// not block, because all connections of that loop would wait.
    public typealias Handler = @Sendable (WebSocket) async throws -> Void

    /// The address to listen on.
    public var address: ServerAddress
    /// The limits, timeouts and policies of the server.
    public var configuration: WebSocketServerConfiguration
    /// A function that the server calls once it listens, with the address and the actual port.
    public var onListening: (@Sendable (ServerAddress) -> Void)?

    /// All routes.
    var root = RouteGroup<Void>(prefix: "", configure: [], .always(()))

    /// Creates a server without routes.
    public init(address: ServerAddress, configuration: WebSocketServerConfiguration = WebSocketServerConfiguration()) {
        self.address = address
        self.configuration = configuration
    }

    // MARK: Routes

    /// Adds a WebSocket route with an asynchronous handler.
    ///
    /// ```swift
    /// server.route("/rooms/{room}") { socket in
    ///     let room = socket.handshake.parameters["room"] ?? ""
    ///     try await socket.send("Welcome to \(room)")
    /// }
    /// ```
    ///
    /// When the handler returns, its connection is closed with 1000; when it throws, with 1011 or the code of the
    /// ``WebSocketCloseError`` that it threw.
    ///
    /// ## Paths
    ///
    /// `{room}` matches one segment of a path that is not empty; `{path...}` at the end matches the rest of the path,
    /// which may be empty. Everything else matches itself, after percent-decoding. If several routes match, a literal
    /// segment precedes a parameter, and a parameter precedes the rest of a path; so a route at `/{path...}` is the
    /// fallback for all paths that have no other. A slash at the end is part of the path: `/rooms` and `/rooms/` are
    /// different.
    ///
    /// - Parameters:
    ///   - path: The path without a query. No other WebSocket route may match the same paths: that, and a malformed
    ///     path, ends the program when the route is added.
    ///   - subprotocols: The subprotocols that the handler supports, in order of preference. The first that the client
    ///     offers is selected; if there is none, no subprotocol is used. Default: none.
    ///   - configure: Changes the route's configuration, which begins as the server's. Called once, when the server
    ///     starts.
    ///   - handler: Handles a connection.
    public mutating func route(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in }, handler: @escaping Handler
    ) {
        root.route(path, subprotocols: subprotocols, configure: configure, handler: handler)
    }

    /// Adds a WebSocket route with a handler that runs on the connection's event loop.
    ///
    /// - Parameters:
    ///   - path: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - subprotocols: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - configure: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - makeHandler: Makes the handler of a connection; called on its event loop.
    public mutating func routeOnLoop(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) {
        root.routeOnLoop(path, subprotocols: subprotocols, configure: configure, makeHandler: makeHandler)
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses, with an asynchronous handler.
    ///
    /// ```swift
    /// server.route("/rooms") { upgrade in
    ///     guard let user = try await users.verify(upgrade.query["token"]) else {
    ///         throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
    ///     }
    ///     return .accept(user, headerFields: [.setCookie: "seen=1"])
    /// } handler: { socket, user in
    ///     for try await message in socket { try await socket.send("\(user.name): \(message.text ?? "")") }
    /// }
    /// ```
    ///
    /// The server checks the request first: it refuses a malformed handshake, and a page that the origin policy does
    /// not allow, without calling `upgrade`.
    ///
    /// - Parameters:
    ///   - path: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - subprotocols: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - configure: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - upgrade: Decides about a request. It runs as a task on the connection's event loop, so it may await but must
    ///     not block. If it throws a `HandshakeRefusal`, that is the response; any other error is logged and answered
    ///     with 500. If it has not returned at the handshake's deadline (`EndpointConfiguration.handshakeTimeout`, 10 s
    ///     by default), the server answers with 503 and cancels the task. It also cancels the task if the client
    ///     disconnects.
    ///   - handler: Handles a connection, with the value that `upgrade` accepted it with.
    public mutating func route<Value: Sendable>(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Value>,
        handler: @escaping @Sendable (WebSocket, Value) async throws -> Void
    ) {
        root.route(path, subprotocols: subprotocols, configure: configure, upgrade: upgrade, handler: handler)
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses, with a handler that runs on the
    /// connection's event loop.
    ///
    /// - Parameters:
    ///   - path: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - subprotocols: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - configure: As in ``route(_:subprotocols:configure:handler:)``.
    ///   - upgrade: Decides about a request, as in ``route(_:subprotocols:configure:upgrade:handler:)``.
    ///   - makeHandler: Makes the handler of a connection, with the value that `upgrade` accepted it with; called on
    ///     its event loop.
    public mutating func routeOnLoop<Value: Sendable>(
        _ path: String, subprotocols: [String] = [],
        configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Value>,
        makeHandler: @escaping @Sendable (WebSocketHandshake, Value) -> any OnLoopHandler
    ) {
        root.routeOnLoop(
            path, subprotocols: subprotocols, configure: configure, upgrade: upgrade, makeHandler: makeHandler)
    }

    /// Answers ordinary HTTP requests to a path, such as a page, a health check or a webhook.
    ///
    /// ```swift
    /// server.respond(at: "/health") { _ in
    ///     await database.isReachable ? .text("ok") : .text("the database is unreachable", status: .serviceUnavailable)
    /// }
    /// ```
    ///
    /// A path may have both a responder and a WebSocket route. A request with another method is answered with 405.
    ///
    /// - Parameters:
    ///   - methods: The methods of the requests. Default: GET and HEAD.
    ///   - path: The path, as in ``route(_:subprotocols:configure:handler:)``. No other responder may match the same paths
    ///     and methods.
    ///   - response: Makes the response. It runs as a task on an event loop, so it may await but must not block. If it
    ///     throws a `HandshakeRefusal`, that is the response; any other error is logged and answered with 500. If it has
    ///     not returned within `EndpointConfiguration.requestTimeout`, the server answers with 503 and cancels the task.
    public mutating func respond(
        to methods: HTTPRequest.Method..., at path: String,
        _ response: @escaping @Sendable (ServerRequest) async throws -> HTTPServerResponse
    ) {
        root.routes.add(path, methods: methods.isEmpty ? [.get, .head] : methods, response)
    }

    /// Adds routes that share a prefix of their paths and a configuration.
    ///
    /// - Parameters:
    ///   - prefix: The beginning of the paths, such as `/api` or `/tenants/{tenant}`; empty for routes that only share a
    ///     configuration.
    ///   - configure: Changes the routes' configuration, which begins as the server's.
    ///   - add: Adds the routes.
    public mutating func group(
        _ prefix: String, configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        routes add: (inout RouteGroup<Void>) -> Void
    ) {
        root.group(prefix, configure: configure, routes: add)
    }

    /// Adds routes that share a prefix of their paths, a configuration and an authorisation; ``RouteGroup`` has an
    /// example.
    ///
    /// - Parameters:
    ///   - prefix: The beginning of the paths, such as `/api` or `/tenants/{tenant}`; empty for routes that only share a
    ///     configuration and an authorisation.
    ///   - configure: Changes the routes' configuration, which begins as the server's.
    ///   - authorize: Returns the value for the routes' handlers, or throws a `HandshakeRefusal`. It runs before the
    ///     routes' own `upgrade`, with the same time limit.
    ///   - add: Adds the routes.
    public mutating func group<Value: Sendable>(
        _ prefix: String, configure: @escaping @Sendable (inout RouteConfiguration) -> Void = { _ in },
        authorize: @escaping @Sendable (ServerRequest) async throws -> Value,
        routes add: (inout RouteGroup<Value>) -> Void
    ) {
        root.group(prefix, configure: configure, authorize: authorize, routes: add)
    }

    // MARK: Running

    /// Listens and serves until the task is cancelled or a graceful shutdown begins, then shuts down and returns.
    ///
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/listenFailed`` or
    ///   ``WebSocketError/Code/invalidConfiguration``.
    public func run() async throws {
        let listener = try await listen()
        onListening?(listener.address)
        do {
            try await cancelWhenGracefulShutdown {
                try await Task.sleep(for: .seconds(Int64.max / 2_000_000_000))
            }
        } catch is CancellationError {
            // The task was cancelled, or a graceful shutdown began.
        }
        await listener.shutDown()
    }

    /// Serves while `body` runs, and then shuts down gracefully.
    ///
    /// - Parameter body: A function that receives the address and the actual port on which the server listens.
    /// - Returns: What `body` returned.
    /// - Throws: What `body` threw, or what ``run()`` throws.
    public nonisolated(nonsending) func withServer<Result>(
        _ body: nonisolated(nonsending) (ServerAddress) async throws -> Result
    ) async throws -> Result {
        try await withRunningServer { address, _ in try await body(address) }
    }

    /// Serves while `body` runs, as ``withServer(_:)`` does.
    ///
    /// - Parameter body: A function that receives the address, and the name of the engine that serves.
    package nonisolated(nonsending) func withRunningServer<Result>(
        _ body: nonisolated(nonsending) (_ address: ServerAddress, _ engine: String) async throws -> Result
    ) async throws -> Result {
        let listener = try await listen()
        onListening?(listener.address)
        do {
            let result = try await body(listener.address, listener.engine.name)
            await listener.shutDown()
            return result
        } catch {
            await listener.shutDown()
            throw error
        }
    }

    /// Listens, with the engine that the configuration selects. The caller must shut the listener down.
    func listen() async throws(WebSocketError) -> Listener {
        try address.check(ports: 0...65_535, setting: "address")
        let tls = try configuration.tls.map(TLSContext.init)
        let engine = try EngineFactory.engine(
            configuration.engine, loopCount: configuration.loopCount, usesTLS: tls != nil, configuration.logger)
        let runtime = try ServerRuntime(configuration: configuration, routes: root.routes)
        do throws(WebSocketError) {
            let listener = try await Listener.listen(at: address, runtime, engine, tls)
            configuration.logger.info(
                "listening", metadata: ["address": "\(listener.address)", "engine": "\(engine.name)"])
            return listener
        } catch {
            await engine.shutDown()
            throw error
        }
    }
}
