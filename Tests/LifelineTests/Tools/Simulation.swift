import HTTPTypes
import LifelineCore
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

    let network: SimulatedNetwork
    let loop: Loop
    let serving: Serving
    let serverEvents: EventRecorder
    let clientEvents: EventRecorder
    /// How connections that are made from here on behave.
    var link = SimulatedLink()
    /// Whether clients offer what they are configured to compress with; where they do not, tests see what is sent as it is.
    var offersCompression = false

    private let elsewhere: ElsewhereExecutor
    private var lastID: UInt64 = 0
    private var connections: [WeakConnection] = []
    /// The server's ends of all connections.
    private(set) var serverTransports: [SimulatedTransport] = []
    /// The clients' ends of all connections.
    private(set) var clientTransports: [SimulatedTransport] = []

    private struct WeakConnection {
        weak var connection: Connection?
    }

    /// - Parameters:
    ///   - observes: Whether the connections' events are recorded.
    ///   - configure: Sets the server up, whose log goes nowhere.
    ///   - routes: What the server has at its paths.
    init(
        seed: UInt64 = 1, observes: Bool = false, configure: (inout WebSocketServerConfiguration) -> Void = { _ in },
        routes: (inout Routes) -> Void
    ) {
        network = SimulatedNetwork(seed: seed)
        loop = Loop(driver: network, random: RandomPool(SplitMix64(seed: seed &+ 1)))
        elsewhere = ElsewhereExecutor(network)
        serverEvents = EventRecorder()
        clientEvents = EventRecorder()
        var configuration = WebSocketServerConfiguration()
        configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        configuration.observers = observes ? [serverEvents] : []
        configure(&configuration)
        var table = Routes()
        routes(&table)
        serving = Serving(configuration: configuration, routes: table, scheme: "ws")
        self.observes = observes
    }

    private let observes: Bool

    // MARK: Connections

    /// Makes a TCP connection to the server, and gives the client's end to a peer that speaks bytes.
    func rawClient() -> RawPeer {
        let (client, server) = makeTransports()
        accept(server)
        return RawPeer(client)
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
        try await open(path, configure) { self.accept($0) }
    }

    /// Opens a connection to a server that speaks bytes.
    ///
    /// - Parameter server: Is called with the server once TCP is there.
    func connectToRawServer(
        configure: (inout WebSocketClientConfiguration) -> Void = { _ in }, _ server: @escaping (RawPeer) -> Void
    ) async throws -> WebSocket {
        try await open("/", configure) { server(RawPeer($0)) }
    }

    private func open(
        _ path: String, _ configure: (inout WebSocketClientConfiguration) -> Void,
        _ accept: (SimulatedTransport) -> Void
    ) async throws -> WebSocket {
        var configuration = WebSocketClientConfiguration()
        configuration.observers = observes ? [clientEvents] : []
        configure(&configuration)
        let request = try ClientHandshake(
            authority: "server.example.com", path: path, subprotocols: configuration.subprotocols,
            extensions: offersCompression ? configuration.endpoint.compression?.offers ?? [] : [],
            headerFields: configuration.headerFields, random: &loop.random)
        let attempt = ConnectionAttempt(request, configuration, clock: loop.driver)
        return try await attempt.run { attempt in
            let (client, server) = makeTransports(client: configuration.buffers.outbound)
            accept(server)
            begin(
                client, owner: attempt, configuration.buffers, configuration.observers,
                Endpoint(
                    client: request, configuration: configuration.endpoint, at: network.now(), random: &loop.random))
        }
    }

    private func makeTransports(
        client: BufferLimits.Marks = BufferLimits().outbound
    ) -> (client: SimulatedTransport, server: SimulatedTransport) {
        let client = SimulatedTransport(network, link, client)
        let server = SimulatedTransport(network, link, serving.configuration.buffers.outbound)
        SimulatedTransport.join(client, server)
        clientTransports.append(client)
        serverTransports.append(server)
        return (client, server)
    }

    private func accept(_ transport: SimulatedTransport) {
        let configuration = serving.configuration
        begin(
            transport, owner: serving, configuration.buffers, configuration.observers,
            Endpoint(server: configuration.endpoint, at: network.now(), random: &loop.random))
    }

    private func begin(
        _ transport: SimulatedTransport, owner: any ConnectionOwner, _ limits: BufferLimits,
        _ observers: [any LifecycleObserver], _ endpoint: consuming Endpoint
    ) {
        lastID += 1
        let connection = Connection(
            loop: loop, id: lastID, transport: transport, remoteAddress: "peer", owner: owner,
            settings: ConnectionSettings(limits, observers), endpoint: endpoint)
        connections.append(WeakConnection(connection: connection))
        transport.begin(connection)
        network.execute { (transport.user as? Connection)?.established() }
    }

    /// The connections that still exist, in the order in which they were made.
    var livingConnections: [Connection] { connections.compactMap(\.connection) }

    // MARK: Tasks

    /// Starts a task; it begins with the next ``run()``.
    func start<Value>(
        _ place: Place = .onLoop, _ body: @escaping @Sendable () async throws -> Value
    ) -> Running<Value> {
        let running = Running<Value>()
        let executor: any TaskExecutor = place == .onLoop ? loop : elsewhere
        running.task = Task(executorPreference: executor) {
            do {
                running.result = .success(try await body())
            } catch {
                running.result = .failure(error)
            }
        }
        return running
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
    }

    /// Ends handlers that wait for what never comes.
    deinit {
        serving.cancelHandlers()
        network.run()
        network.tearDown()
    }
}
