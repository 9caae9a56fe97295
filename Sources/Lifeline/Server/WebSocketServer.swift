package import LifelineCore
internal import Logging
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

    /// The address at which to listen.
    public var address: ServerAddress
    /// The limits, timeouts and policies of the server.
    public var configuration: WebSocketServerConfiguration
    /// A function that the server calls once it listens, with the address and the actual port.
    public var onListening: (@Sendable (ServerAddress) -> Void)?

    var routes = Routes()

    /// Creates a server without routes.
    public init(address: ServerAddress, configuration: WebSocketServerConfiguration = WebSocketServerConfiguration()) {
        self.address = address
        self.configuration = configuration
    }

    // MARK: Routes

    /// Adds a WebSocket route with an asynchronous handler.
    ///
    /// When the handler returns, its connection is closed with 1000; when it throws, with 1011 or the code of the
    /// ``WebSocketCloseError`` that it threw.
    ///
    /// - Parameters:
    ///   - path: The path without a query. It must match the whole path of the request, and have no route yet.
    ///   - subprotocols: The subprotocols that the handler supports, in order of preference. The first that the client
    ///     offers is selected; if there is none, no subprotocol is used.
    ///   - handler: Handles a connection.
    public mutating func route(_ path: String, subprotocols: [String] = [], handler: @escaping Handler) {
        routes.add(path, Route(subprotocols: subprotocols, opening: .always(.task(handler))))
    }

    /// Adds a WebSocket route with a handler that runs on the connection's event loop.
    ///
    /// - Parameters:
    ///   - path: As in ``route(_:subprotocols:handler:)``.
    ///   - subprotocols: As in ``route(_:subprotocols:handler:)``.
    ///   - makeHandler: Makes the handler of a connection; called on its event loop.
    public mutating func routeOnLoop(
        _ path: String, subprotocols: [String] = [],
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) {
        routes.add(path, Route(subprotocols: subprotocols, opening: .always(.onLoop(makeHandler))))
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
    ///   - path: As in ``route(_:subprotocols:handler:)``.
    ///   - subprotocols: As in ``route(_:subprotocols:handler:)``.
    ///   - upgrade: Decides about a request. It runs as a task on the connection's event loop, so it may await but must
    ///     not block. If it throws a `HandshakeRefusal`, that is the response; any other error is logged and answered
    ///     with 500. If it has not returned at the handshake's deadline (`EndpointConfiguration.handshakeTimeout`, 10 s
    ///     by default), the server answers with 503 and cancels the task. It also cancels the task if the client
    ///     disconnects.
    ///   - handler: Handles a connection, with the value that `upgrade` accepted it with.
    public mutating func route<Value: Sendable>(
        _ path: String, subprotocols: [String] = [],
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Value>,
        handler: @escaping @Sendable (WebSocket, Value) async throws -> Void
    ) {
        route(path, subprotocols: subprotocols, originPolicy: nil, upgrade: upgrade, handler: handler)
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses, with an origin policy for this route.
    package mutating func route<Value: Sendable>(
        _ path: String, subprotocols: [String] = [], originPolicy: OriginPolicy?,
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Value>,
        handler: @escaping @Sendable (WebSocket, Value) async throws -> Void
    ) {
        routes.add(
            path,
            Route(
                subprotocols: subprotocols, originPolicy: originPolicy,
                opening: .deciding(upgrade) { value in .task { socket in try await handler(socket, value) } }))
    }

    /// Adds a WebSocket route whose requests the application accepts or refuses, with a handler that runs on the
    /// connection's event loop.
    ///
    /// - Parameters:
    ///   - path: As in ``route(_:subprotocols:handler:)``.
    ///   - subprotocols: As in ``route(_:subprotocols:handler:)``.
    ///   - upgrade: Decides about a request, as in ``route(_:subprotocols:upgrade:handler:)``.
    ///   - makeHandler: Makes the handler of a connection, with the value that `upgrade` accepted it with; called on
    ///     its event loop.
    public mutating func routeOnLoop<Value: Sendable>(
        _ path: String, subprotocols: [String] = [],
        upgrade: @escaping @Sendable (ServerRequest) async throws -> UpgradeAcceptance<Value>,
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
    /// A path may have both a response and a WebSocket route.
    ///
    /// - Parameters:
    ///   - path: The path without a query. It must match the whole path of the request, and have no response yet.
    ///   - response: Makes the response; called on an event loop, so it must not block.
    public mutating func respond(
        at path: String, _ response: @escaping @Sendable (ServerRequest) -> HTTPServerResponse
    ) {
        routes.add(path, page: response)
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
    /// - Parameter body: A function that receives the address and the actual port at which the server listens.
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

    /// Listens, with the engine that the configuration selects. The caller must shut the listener down.
    func listen() async throws(WebSocketError) -> Listener {
        if let invalid = configuration.originPolicy.invalidOrigin {
            throw WebSocketError(.invalidConfiguration, "invalid origin policy (originPolicy): \(invalid)")
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
