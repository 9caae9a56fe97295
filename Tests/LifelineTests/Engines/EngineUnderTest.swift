import LifelineTesting
import Testing

@testable import Lifeline

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What is tried on each engine, one test after the other: their sockets block the thread on which the tests run.
@Suite("Engines", .tags(.sockets), .onAThreadToBlock, .serialized, .timeLimit(.minutes(3)))
enum EngineTests {}

/// An engine under the contract: each test makes a server on an engine of its own, with one loop.
struct EngineUnderTest: Sendable, CustomTestStringConvertible {
    let name: String
    /// Whether what a peer sent before it reset the connection, or before it took no more, is still read.
    let readsOnBehindFailures: Bool
    /// The most bytes that arrive at once, and so may be kept beyond the high-water mark.
    let maximumRead: Int
    let make: @Sendable () throws -> any Engine

    var testDescription: String { name }

    /// The engines that this system has, and the simulated engine.
    static let all = onSockets + simulated

    /// The engines on this system's sockets. Only on these is a Unix domain socket a file; on the simulated network it is
    /// nothing but an address.
    static let onSockets: [EngineUnderTest] = {
        var engines = [
            EngineUnderTest(name: "nio", readsOnBehindFailures: false, maximumRead: 256 << 10) {
                NIOEngine(loopCount: 1)
            }
        ]
        #if os(Linux)
        engines.append(
            EngineUnderTest(name: "epoll", readsOnBehindFailures: true, maximumRead: 512 << 10) {
                try LinuxEngine(.epoll, loopCount: 1)
            })
        if LinuxEngine.permitsUring {
            engines.append(
                EngineUnderTest(name: "io_uring", readsOnBehindFailures: true, maximumRead: 192 << 10) {
                    try LinuxEngine(.uring, loopCount: 1)
                })
            // Its queues overflow all the time.
            engines.append(
                EngineUnderTest(name: "io_uring, crowded", readsOnBehindFailures: true, maximumRead: 192 << 10) {
                    try LinuxEngine(.uring, loopCount: 1, ownsLoops: true, ring: .init(entries: 4, completions: 8))
                })
        }
        #endif
        return engines
    }()

    /// The simulated engine, first with a link that behaves like Lifeline's own loops, then with one that behaves like SwiftNIO
    /// and moves few bytes at a time.
    private static let simulated: [EngineUnderTest] = [
        EngineUnderTest(name: "simulated", readsOnBehindFailures: true, maximumRead: 64 << 10) {
            simulatedEngine(SimulatedLink(socketBuffer: 64 << 10, resetDropsInput: false, receivesDirectly: true))
        },
        EngineUnderTest(name: "simulated, crowded", readsOnBehindFailures: false, maximumRead: 700) {
            simulatedEngine(
                SimulatedLink(
                    latency: .milliseconds(1), socketBuffer: 4000, readSize: .random(700), writeSize: .random(700),
                    failedWriteEnds: true, endsLate: true, readsInsideFlush: true))
        },
    ]

    private static func simulatedEngine(_ link: SimulatedLink) -> SimulatedEngine {
        let engine = SimulatedEngine(runsByItself: true, executor: OffThePool.executorForNetworks)
        engine.link = link
        return engine
    }

    /// What a test has of a server on the engine.
    struct Running: Sendable {
        let engine: any Engine
        let address: ServerAddress
        let recorder: EventRecorder

        /// Connects to the server.
        ///
        /// - Parameter receiveBuffer: The size of a plain socket's receive buffer. On a simulated network, the link sets it.
        func connect(receiveBuffer: Int? = nil) throws -> any ContractPeer {
            if let engine = engine as? SimulatedEngine { return try SimulatedPeer(engine, address) }
            return try PlainSocket(address, receiveBuffer: receiveBuffer)
        }

        /// Opens a WebSocket from a peer that speaks bytes, and returns once the server has answered.
        func open(_ path: String = "/", receiveBuffer: Int? = nil) throws -> any ContractPeer {
            let peer = try connect(receiveBuffer: receiveBuffer)
            try peer.send(HandshakeText.request(path).bytes)
            _ = try peer.readHead()
            return peer
        }

        /// The open sockets that are the server's connections, or the peers at their other end: inode numbers, or the
        /// identities of simulated transports.
        var sockets: Set<UInt64> {
            guard let engine = engine as? SimulatedEngine else { return Descriptors.sockets(port: address.port ?? 0) }
            return engine.network.performBlocking {
                let transports = engine.serverTransports + engine.clientTransports
                return Set(
                    transports.filter(\.isOpen).map { UInt64(UInt(bitPattern: ObjectIdentifier($0))) })
            }
        }

        /// How long the engine's first loop has kept a processor busy.
        func processorTime() async -> Duration {
            await withUnsafeContinuation { continuation in
                engine.loops[0].execute {
                    var time = timespec()
                    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                    continuation.resume(returning: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
                }
            }
        }

        func has(_ word: String, _ count: Int = 1) -> Bool {
            recorder.words.count { $0.hasPrefix(word) } >= count
        }
    }

    /// Serves while `body` runs, and checks that nothing is left of any connection but what `body` holds itself.
    func serve(
        at address: ServerAddress = .hostname("127.0.0.1", port: 0), routes: (inout RouteGroup<Void>) -> Void,
        body: (Running) async throws -> Void
    ) async throws {
        try await serve(at: address, configure: { _ in }, routes: routes, body: body)
    }

    /// The same with a configuration of its own.
    func serve(
        at address: ServerAddress = .hostname("127.0.0.1", port: 0),
        configure: (inout WebSocketServerConfiguration) -> Void, routes: (inout RouteGroup<Void>) -> Void,
        body: (Running) async throws -> Void
    ) async throws {
        let recorder = EventRecorder()
        var server = WebSocketServer.forTests(at: address)
        server.configuration.observers = [recorder]
        server.configuration.shutdownTimeout = .seconds(1)
        configure(&server.configuration)
        routes(&server.root)
        let engine = try make()
        server.configuration.engine = .given(engine)
        // Simulated time passes as real time does while the server runs.
        let simulated = engine as? SimulatedEngine
        let clock = simulated.map { engine in
            Task(executorPreference: OffThePool.executorForNetworks) { await engine.network.followClock() }
        }
        defer {
            clock?.cancel()
            simulated?.network.performBlocking { simulated?.tearDown() }
        }
        let listener = try await server.listen()
        do {
            try await body(Running(engine: engine, address: listener.address, recorder: recorder))
        } catch {
            await listener.shutDown()
            throw error
        }
        let start = ContinuousClock.now
        await listener.shutDown()
        let time = start.duration(to: .now)
        #expect(time < server.configuration.shutdownTimeout + .seconds(8), "\(name): the shutdown took \(time)")
        #expect(listener.runtime.isIdle, "\(name)")
        let begun = recorder.words.count { $0 == "connected" }
        #expect(recorder.words.count { $0 == "TCP ended" } == begun, "\(name): \(recorder.words)")
    }
}
