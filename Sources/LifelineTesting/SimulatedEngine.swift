package import Lifeline
package import LifelineCore
import NIOCore
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// An engine without sockets. Servers and clients run all of their own code on it, in virtual time, and identically for
/// the same seed.
///
/// It simulates the loopback interface of one machine: a client that connects to a port reaches the server that listens
/// there, whatever the host name. Set it in a configuration with `engine = .given(engine)`, run tasks with
/// ``SimulatedNetwork/elsewhere`` or ``loop`` as their executor, and run the simulation with ``SimulatedNetwork/run()``
/// and ``SimulatedNetwork/advance(by:)``, all on the thread that made the engine. Start servers with
/// `WebSocketServer.withServer`, because `run()` is notified of its end on another thread.
///
/// `@unchecked Sendable`: it is used on the simulation's thread only.
package final class SimulatedEngine: Engine, @unchecked Sendable {
    /// How an attempt to connect fails.
    package enum ConnectFault: CaseIterable, Sendable {
        /// The connection is refused, because nothing listens at the port.
        case refused
        /// The network is unreachable.
        case unreachable
        /// The host does not respond, so the attempt times out.
        case silence
    }

    private enum Listener {
        case acceptor(any ConnectionAcceptor)
        case peer((SimulatedTransport) -> Void)
    }

    private struct WeakConnection {
        weak var connection: Connection?
    }

    package let name = "simulated"
    package let network: SimulatedNetwork
    package let loop: Loop
    /// The behaviour of connections that are made from now on.
    package var link = SimulatedLink()
    /// How attempts to connect fail from now on; `nil` if they succeed.
    package var connectFault: ConnectFault?
    /// How many of the next accepts fail because the process has too many open files. Each is retried.
    package var acceptFailures = 0
    /// The listening ends of all connections.
    package private(set) var serverTransports: [SimulatedTransport] = []
    /// The connecting ends of all connections.
    package private(set) var clientTransports: [SimulatedTransport] = []

    private var listeners: [ServerAddress: Listener] = [:]
    private var connections: [WeakConnection] = []
    private var lastPort = 49_151
    private var lastClientPort = 0
    private let randomSeed: Atomic<UInt64>

    /// The time after which a failed accept is retried.
    package static let acceptPause = Duration.milliseconds(100)

    /// Creates an engine. The parameters are those of ``SimulatedNetwork/init(seed:runsByItself:executor:)``.
    package init(seed: UInt64 = 1, runsByItself: Bool = false, executor: (any TaskExecutor)? = nil) {
        network = SimulatedNetwork(seed: seed, runsByItself: runsByItself, executor: executor)
        loop = Loop(driver: network, random: RandomPool(SplitMix64(seed: seed &+ 1)))
        randomSeed = Atomic(seed &+ 2)
    }

    // MARK: Engine

    package var loops: [Loop] { [loop] }

    package func nextLoop() -> Loop { loop }

    package func makeRandom() -> RandomPool {
        RandomPool(SplitMix64(seed: randomSeed.wrappingAdd(1, ordering: .relaxed).newValue))
    }

    /// Does nothing: there are no threads to end, and others may use the engine.
    package func shutDown() async {}

    private struct Socket: ListeningSocket {
        let engine: SimulatedEngine
        let key: ServerAddress

        func close() async {
            _ = try? await engine.network.perform { engine.listeners[key] = nil }
        }
    }

    package func listen(
        at address: ServerAddress, _ acceptor: any ConnectionAcceptor, _ tls: TLSContext?
    ) async throws -> (ServerAddress, any ListeningSocket) {
        precondition(tls == nil, "a simulated engine has no TLS")
        let found = try await network.perform { try self.listen(at: address, .acceptor(acceptor)) }
        return (found, Socket(engine: self, key: SimulatedEngine.key(found)))
    }

    private func listen(at address: ServerAddress, _ listener: Listener) throws -> ServerAddress {
        var found = address
        if case .hostname(let host, port: 0) = address.storage {
            lastPort += 1
            found = .hostname(host, port: lastPort)
        }
        let key = SimulatedEngine.key(found)
        guard listeners[key] == nil else { throw IOError(errnoCode: EADDRINUSE, reason: "bind") }
        listeners[key] = listener
        return found
    }

    /// Returns the key of a listener. It ignores the host name, because there is only one machine.
    private static func key(_ address: ServerAddress) -> ServerAddress {
        address.port.map { .hostname("", port: $0) } ?? address
    }

    package func connect(to target: ConnectTarget, on loop: Loop, for requester: any ConnectionRequester) {
        precondition(target.tls == nil, "a simulated engine has no TLS")
        network.execute { self.begin(target, requester) }
    }

    private func begin(_ target: ConnectTarget, _ requester: any ConnectionRequester) {
        if requester.isObserved, case .hostname(let host, let port) = target.address.storage,
            (try? SocketAddress(ipAddress: host, port: port)) == nil
        {
            requester.resolved(["127.0.0.1"])
        }
        let listener = listeners[SimulatedEngine.key(target.address)]
        switch connectFault ?? (listener == nil ? .refused : nil) {
        case .refused:
            network.execute(after: link.latency) {
                requester.connectFailed(IOError(errnoCode: ECONNREFUSED, reason: "connect"))
            }
        case .unreachable:
            requester.connectFailed(IOError(errnoCode: ENETUNREACH, reason: "connect"))
        case .silence:
            network.execute(after: target.timeout) {
                requester.connectFailed(ChannelError.connectTimeout(TimeAmount(target.timeout)))
            }
        case nil:
            guard let listener else { return }
            let client = join(target.outboundMarks, to: listener)
            let name = target.address.port.map { "127.0.0.1:\($0)" } ?? "unix:\(target.address)"
            begin(requester.makeConnection(on: loop, over: client, remoteAddress: name), client)
        }
    }

    // MARK: Raw peers

    /// Listens, and passes the server's end of each connection to a function, which attaches a ``StreamUser``.
    ///
    /// - Returns: The port.
    package func listen(_ accept: @escaping (SimulatedTransport) -> Void) -> Int {
        lastPort += 1
        listeners[.hostname("", port: lastPort)] = .peer(accept)
        return lastPort
    }

    /// Connects to a port.
    ///
    /// - Returns: The client's end, to which the caller attaches a ``StreamUser``; `nil` if nothing listens at the
    ///   port.
    package func connect(to port: Int) -> SimulatedTransport? {
        connect(to: .hostname("", port: port))
    }

    /// Connects to an address, which may be that of a Unix domain socket.
    ///
    /// - Returns: As ``connect(to:)-(Int)``.
    package func connect(to address: ServerAddress) -> SimulatedTransport? {
        listeners[SimulatedEngine.key(address)].map { join(BufferLimits().outbound, to: $0) }
    }

    // MARK: Connections

    private func join(_ marks: BufferLimits.Marks, to listener: Listener) -> SimulatedTransport {
        let serverMarks =
            if case .acceptor(let acceptor) = listener { acceptor.outboundMarks } else { BufferLimits().outbound }
        let client = SimulatedTransport(network, link, marks)
        let server = SimulatedTransport(network, link, serverMarks)
        SimulatedTransport.join(client, server)
        if network.runsByItself {
            // No test inspects connections that have ended.
            clientTransports.removeAll { !$0.isOpen }
            serverTransports.removeAll { !$0.isOpen }
            connections.removeAll { $0.connection == nil }
        }
        clientTransports.append(client)
        serverTransports.append(server)
        switch listener {
        case .acceptor(let acceptor):
            lastClientPort += 1
            accept(server, acceptor, "127.0.0.1:\(lastClientPort)")
        case .peer(let accept):
            accept(server)
        }
        return client
    }

    private func accept(_ transport: SimulatedTransport, _ acceptor: any ConnectionAcceptor, _ name: String) {
        guard acceptFailures == 0 else {
            acceptFailures -= 1
            acceptor.acceptFailed("the process has reached its limit of open files (ulimit -n)")
            return network.execute(after: SimulatedEngine.acceptPause) { self.accept(transport, acceptor, name) }
        }
        begin(acceptor.makeConnection(on: loop, over: transport, remoteAddress: name), transport)
    }

    private func begin(_ connection: Connection, _ transport: SimulatedTransport) {
        connections.append(WeakConnection(connection: connection))
        transport.begin(connection)
        network.execute { (transport.user as? Connection)?.established() }
    }

    /// The connections that still exist, in the order in which they were made.
    package var livingConnections: [Connection] { connections.compactMap(\.connection) }

    /// The number of sockets that are open.
    package var openSockets: Int {
        clientTransports.count(where: \.isOpen) + serverTransports.count(where: \.isOpen)
    }

    /// Wakes sleeping tasks, and releases everything that refers to the engine.
    package func tearDown() {
        network.tearDown()
        listeners = [:]
    }
}
