public import HTTPTypes
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
        routes.add(path, Route(subprotocols: subprotocols, target: .task(handler)))
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
        routes.add(path, Route(subprotocols: subprotocols, target: .onLoop(makeHandler)))
    }

    /// Answers ordinary HTTP requests (GET and HEAD) to a path: a page, a health check.
    ///
    /// A path may have both a page and a WebSocket.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - answer: Makes the answer; called on an event loop, so it must not block.
    public mutating func page(_ path: String, answer: @escaping @Sendable (HTTPRequest) -> HTTPServerResponse) {
        routes.add(path) { answer($0.request) }
    }

    /// The same, with the address and port of who asks.
    public mutating func page(
        _ path: String, answer: @escaping @Sendable (HTTPRequest, _ remoteAddress: String) -> HTTPServerResponse
    ) {
        routes.add(path) { answer($0.request, $0.remoteAddress) }
    }

    /// The same, with all that is known of the request.
    package mutating func respond(at path: String, _ answer: @escaping @Sendable (RouteRequest) -> HTTPServerResponse) {
        routes.add(path, page: answer)
    }

    /// Has connections to a path handled that a check has let through.
    ///
    /// - Parameters:
    ///   - path: The path, without a query; it must match as a whole.
    ///   - originPolicy: Which web pages may connect, whatever the server's configuration says.
    ///   - check: Refuses a request by throwing, before it is answered with 101. It is called on an event loop, so it must not
    ///     block.
    ///   - handler: What to do with a connection.
    package mutating func route(
        _ path: String, originPolicy: OriginPolicy,
        check: @escaping @Sendable (RouteRequest) throws(HandshakeRefusal) -> Void,
        handler: @escaping Handler
    ) {
        routes.add(
            path, Route(subprotocols: [], originPolicy: originPolicy, check: check, target: .task(handler)))
    }

    /// Who is told each step of the connections' lives; `configuration.observers`.
    public var observers: [any LifecycleObserver] {
        get { configuration.observers }
        set { configuration.observers = newValue }
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
        let runtime = ServerRuntime(configuration: configuration, routes: routes, scheme: tls == nil ? "ws" : "wss")
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
