import HTTPTypes
import LifelineCore
import LifelineTesting
import Logging
import Testing

@testable import Lifeline

/// A server and its clients on a simulated network: real connections, real routes, and tasks that run in virtual time.
///
/// It is used by synchronous test functions, on one thread: a test starts tasks, and lets them run.
final class Simulation: @unchecked Sendable {
    /// Where a task runs.
    enum Place: CaseIterable, Sendable {
        /// On the connections' loop, as a server's handlers do.
        case onLoop
        /// Anywhere else, as most clients do.
        case elsewhere
    }

    let engine: SimulatedEngine
    var network: SimulatedNetwork { engine.network }
    var loop: Loop { engine.loop }
    var runtime: ServerRuntime { listener.runtime }
    let serverEvents: EventRecorder
    let clientEvents: EventRecorder
    /// How connections that are made from here on behave.
    var link: SimulatedLink {
        get { engine.link }
        set { engine.link = newValue }
    }
    /// Whether clients offer what they are configured to compress with; where they do not, tests see what is sent as it is.
    var offersCompression = false

    private let observes: Bool
    private let listener: Listener

    /// - Parameters:
    ///   - observes: Whether the connections' events are recorded.
    ///   - configure: Sets the server up, whose log goes nowhere.
    ///   - routes: What the server has at its paths.
    init(
        seed: UInt64 = 1, observes: Bool = false, configure: (inout WebSocketServerConfiguration) -> Void = { _ in },
        routes: (inout RouteGroup<Void>) -> Void
    ) {
        let engine = SimulatedEngine(seed: seed)
        serverEvents = EventRecorder()
        clientEvents = EventRecorder()
        var configuration = WebSocketServerConfiguration()
        configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        configuration.observers = observes ? [serverEvents] : []
        configuration.engine = .given(engine)
        configure(&configuration)
        var server = WebSocketServer(
            address: .hostname("server.example.com", port: 80), configuration: configuration)
        routes(&server.root)
        self.engine = engine
        self.observes = observes
        engine.network.onLivelock = { Issue.record("the simulated network does not become idle") }
        let listening = Running.start(on: engine.loop) { [server] in try await server.listen() }
        engine.network.run()
        guard case .success(let listener) = listening.result else {
            preconditionFailure("the simulated server does not listen: \(String(describing: listening.result))")
        }
        self.listener = listener
    }

    /// Has the server shut down as it does when it is told to.
    func shutDown() -> Running<Void> {
        start { [listener] in await listener.shutDown() }
    }

    // MARK: Connections

    /// Makes a TCP connection to the server, and gives the client's end to a peer that speaks bytes.
    func rawClient() -> RawPeer {
        guard let transport = engine.connect(to: 80) else { preconditionFailure("the server does not listen") }
        return RawPeer(transport)
    }

    /// Makes a TCP connection to the server, opens it, and gives the client's end to a peer that speaks bytes.
    func openRawClient(_ path: String = "/") -> RawPeer {
        let client = rawClient()
        client.send(.request(path))
        network.run()
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 101 ") == true)
        return client
    }

    /// Opens a connection to the server, from whichever place the task runs at.
    func connect(
        _ path: String = "/", configure: (inout WebSocketClientConfiguration) -> Void = { _ in }
    ) async throws -> WebSocket {
        try await open("ws://server.example.com\(path)", configure)
    }

    /// Opens a connection to a server that speaks bytes.
    ///
    /// - Parameter server: Is called with the server once TCP is there.
    func connectToRawServer(
        configure: (inout WebSocketClientConfiguration) -> Void = { _ in }, _ server: @escaping (RawPeer) -> Void
    ) async throws -> WebSocket {
        let port = engine.listen { server(RawPeer($0)) }
        return try await open("ws://server.example.com:\(port)/", configure)
    }

    private func open(
        _ url: String, _ configure: (inout WebSocketClientConfiguration) -> Void
    ) async throws -> WebSocket {
        var configuration = WebSocketClientConfiguration()
        configuration.observers = observes ? [clientEvents] : []
        configure(&configuration)
        if !offersCompression { configuration.endpoint.compression = nil }
        return try await WebSocketClient.open(WebSocketURL(url), configuration, engine, on: loop)
    }

    /// The server's ends of all connections.
    var serverTransports: [SimulatedTransport] { engine.serverTransports }

    /// The clients' ends of all connections.
    var clientTransports: [SimulatedTransport] { engine.clientTransports }

    /// The connections that still exist, in the order in which they were made.
    var livingConnections: [Connection] { engine.livingConnections }

    // MARK: Tasks

    /// Starts a task; it begins with the next ``run()``.
    func start<Value>(
        _ place: Place = .onLoop, _ body: @escaping @Sendable () async throws -> Value
    ) -> Running<Value> {
        Running.start(on: place == .onLoop ? loop : network.elsewhere, body)
    }

    /// Runs a task to its end, which must come within a minute of virtual time.
    func value<Value>(
        _ place: Place = .onLoop, _ body: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let running = start(place, body)
        run()
        if !running.hasEnded { advance(by: .seconds(60)) }
        return try running.value
    }

    /// Opens a connection to the server.
    func open(
        _ path: String = "/", configure: @escaping @Sendable (inout WebSocketClientConfiguration) -> Void = { _ in }
    ) throws -> WebSocket {
        try value { try await self.connect(path, configure: configure) }
    }

    /// Opens a connection to a server that speaks bytes, and has it answer.
    func openToRawServer(
        configure: @escaping @Sendable (inout WebSocketClientConfiguration) -> Void = { _ in }
    ) throws -> (WebSocket, RawPeer) {
        let servers = Collected<RawPeer>()
        let socket = start {
            try await self.connectToRawServer(configure: configure) {
                servers.append($0)
                $0.answer()
            }
        }
        run()
        return (try socket.value, try #require(servers.values.first))
    }

    /// Runs a task to its end, and returns what it threw.
    func error<Value>(
        _ place: Place = .onLoop, of body: @escaping @Sendable () async throws -> Value
    ) -> WebSocketError? {
        let running = start(place, body)
        advance(by: .seconds(60))
        return running.error
    }

    // MARK: Time

    /// Does everything that can be done before time passes.
    func run() {
        network.run()
    }

    /// Lets time pass.
    func advance(by duration: Duration) {
        network.advance(by: duration)
    }

    /// Suspends a task for some virtual time.
    func sleep(for duration: Duration) async {
        await withUnsafeContinuation { continuation in
            network.execute(after: duration) { continuation.resume() }
        }
    }

    // MARK: The end

    /// Checks that all connections have ended and that nothing keeps them.
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) {
        advance(by: .seconds(60))
        #expect(loop.connections.isEmpty, "connections on the loop", sourceLocation: sourceLocation)
        #expect(livingConnections.map(\.id) == [], "connections in memory", sourceLocation: sourceLocation)
        let sockets = (serverTransports + clientTransports).count { $0.user is Connection }
        #expect(sockets == 0, "sockets of connections", sourceLocation: sourceLocation)
    }

    /// Ends handlers that wait for what never comes.
    deinit {
        runtime.cancelHandlers()
        network.run()
        engine.tearDown()
    }
}
