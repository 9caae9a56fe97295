package import LifelineCore
internal import Logging
public import ServiceLifecycle

/// Accepts connections and gives each to the handler of its path.
///
/// ```swift
/// var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
/// server.route("/echo") { socket in
///     for try await message in socket { try await socket.send(message) }
/// }
/// try await server.run()
/// ```
///
/// It is a `Service` of swift-service-lifecycle: under a graceful shutdown it stops listening, closes each connection with
/// 1001, and waits for the answers, bounded by ``WebSocketServerConfiguration/shutdownTimeout``.
public struct WebSocketServer: Service {
    /// What to do with a connection. It runs as a task on the connection's event loop: awaiting is free, blocking holds up
    /// the other connections of that loop.
    public typealias Handler = @Sendable (WebSocket) async throws -> Void

    /// Where to listen.
    public var address: ServerAddress
    /// What to offer, and the limits to keep.
    public var configuration: WebSocketServerConfiguration
    /// Is called once the server listens, with the address and the port that were found.
    public var onListening: (@Sendable (ServerAddress) -> Void)?

    private var routes = Routes()

    /// A server without routes.
    public init(address: ServerAddress, configuration: WebSocketServerConfiguration = WebSocketServerConfiguration()) {
        self.address = address
        self.configuration = configuration
    }

    // MARK: Routes

    /// Has connections to a path handled by an asynchronous function.
    ///
    /// When it returns, its connection is closed with 1000; when it throws, with 1011.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - subprotocols: The subprotocols that the handler speaks, in its order of preference. The first that the client
    ///     offers too is agreed on; where there is none, none is.
    ///   - handler: What to do with a connection.
    public mutating func route(_ path: String, subprotocols: [String] = [], handler: @escaping Handler) {
        routes.add(path, Route(subprotocols: subprotocols, opening: .always(.task(handler))))
    }

    /// Has connections to a path handled on their event loop.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - subprotocols: As in ``route(_:subprotocols:handler:)``.
    ///   - makeHandler: Makes a handler for a connection; called on its event loop.
    public mutating func routeOnLoop(
        _ path: String, subprotocols: [String] = [],
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) {
        routes.add(path, Route(subprotocols: subprotocols, opening: .always(.onLoop(makeHandler))))
    }

    /// Has the application decide about each request before it is answered, and connections that it accepts handled by an
    /// asynchronous function.
    ///
    /// ```swift
    /// server.route("/rooms") { upgrade in
    ///     guard let user = try await users.verify(upgrade.query["token"]) else {
    ///         return .refuse(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
    ///     }
    ///     return .accept(user, headerFields: [.setCookie: "seen=1"])
    /// } handler: { socket, user in
    ///     for try await message in socket { try await socket.send("\(user.name): \(message.text ?? "")") }
    /// }
    /// ```
    ///
    /// The request has been checked by then: a malformed handshake, or a page that the origin policy does not let in, is refused
    /// without asking.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - subprotocols: As in ``route(_:subprotocols:handler:)``.
    ///   - upgrade: Decides. It runs as a task on the connection's event loop, so it may wait but must not block. A thrown
    ///     `HandshakeRefusal` is the answer; any other error is logged and answered with 500. It has until the handshake's
    ///     deadline (`EndpointConfiguration.handshakeTimeout`, 10 s by default): then the request is answered with 503 and the task
    ///     is cancelled. It is cancelled too if the client goes away.
    ///   - handler: Handles a connection, with the value that `upgrade` accepted it with.
    public mutating func route<Value: Sendable>(
        _ path: String, subprotocols: [String] = [],
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeDecision<Value>,
        handler: @escaping @Sendable (WebSocket, Value) async throws -> Void
    ) {
        route(path, subprotocols: subprotocols, originPolicy: nil, upgrade: upgrade, handler: handler)
    }

    /// The same, with an origin policy of the route's own.
    package mutating func route<Value: Sendable>(
        _ path: String, subprotocols: [String] = [], originPolicy: OriginPolicy?,
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeDecision<Value>,
        handler: @escaping @Sendable (WebSocket, Value) async throws -> Void
    ) {
        routes.add(
            path,
            Route(
                subprotocols: subprotocols, originPolicy: originPolicy,
                opening: .deciding(upgrade) { value in .task { socket in try await handler(socket, value) } }))
    }

    /// Has the application decide about each request before it is answered, and connections that it accepts handled on their
    /// event loop.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - subprotocols: As in ``route(_:subprotocols:handler:)``.
    ///   - upgrade: Decides, as in ``route(_:subprotocols:upgrade:handler:)``.
    ///   - makeHandler: Makes a handler for a connection, with the value that `upgrade` accepted it with; called on its event
    ///     loop.
    public mutating func routeOnLoop<Value: Sendable>(
        _ path: String, subprotocols: [String] = [],
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeDecision<Value>,
        makeHandler: @escaping @Sendable (WebSocketHandshake, Value) -> any OnLoopHandler
    ) {
        routes.add(
            path,
            Route(
                subprotocols: subprotocols,
                opening: .deciding(upgrade) { value in .onLoop { handshake in makeHandler(handshake, value) } }))
    }

    /// Answers ordinary HTTP requests (GET and HEAD) to a path, such as a page or a health check.
    ///
    /// A path may have both a response and a WebSocket.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - response: Makes the response. It runs on an event loop, so it must not block.
    public mutating func respond(
        at path: String, _ response: @escaping @Sendable (ServerRequest) -> HTTPServerResponse
    ) {
        routes.add(path, page: response)
    }

    // MARK: Running

    /// Listens and serves until the task is cancelled or a graceful shutdown begins, and returns when all connections
    /// have been closed.
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
            // Either way of being told to stop.
        }
        await listener.shutDown()
    }

    /// Serves for as long as `body` runs, and then shuts down gracefully.
    ///
    /// - Parameter body: Is called with the address and the port at which the server listens.
    /// - Returns: What `body` returned.
    /// - Throws: What `body` threw, or what ``run()`` throws.
    public nonisolated(nonsending) func withServer<Result>(
        _ body: nonisolated(nonsending) (ServerAddress) async throws -> Result
    ) async throws -> Result {
        let listener = try await listen()
        onListening?(listener.address)
        do {
            let result = try await body(listener.address)
            await listener.shutDown()
            return result
        } catch {
            await listener.shutDown()
            throw error
        }
    }

    private func listen() async throws(WebSocketError) -> Listener {
        if let invalid = configuration.originPolicy.invalidOrigin {
            throw WebSocketError(.invalidConfiguration, "the origin policy: \(invalid)")
        }
        let tls = try configuration.tls.map(TLSContext.init)
        let engine = try EngineFactory.engine(
            configuration.engine, loopCount: configuration.loopCount, usesTLS: tls != nil)
        let runtime = ServerRuntime(configuration: configuration, routes: routes)
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
