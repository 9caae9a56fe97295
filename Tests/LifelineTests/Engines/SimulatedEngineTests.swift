import LifelineCore
import LifelineTesting
import Logging
import NIOCore
import Testing

@testable import Lifeline

/// The simulated engine under servers and clients as programs have them.
@Suite("The simulated engine") struct SimulatedEngineTests {
    /// A server that is run, and a client beside it.
    final class World {
        let engine: SimulatedEngine
        let server: WebSocketServer
        private var running: Running<Void>?
        private let mayEnd = Gate()
        let addresses = Collected<ServerAddress>()

        init(
            seed: UInt64 = 1, configure: (inout WebSocketServerConfiguration) -> Void = { _ in },
            routes: (inout WebSocketServer) -> Void
        ) throws {
            engine = SimulatedEngine(seed: seed)
            engine.network.onLivelock = { Issue.record("the simulated network does not become idle") }
            var configuration = WebSocketServerConfiguration()
            configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            configuration.engine = .given(engine)
            configure(&configuration)
            var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0), configuration: configuration)
            routes(&server)
            server.onListening = { [addresses] in addresses.append($0) }
            self.server = server
            // Not `run()`, which hears of its end from another thread.
            running = start { [server, mayEnd] in try await server.withServer { _ in try await mayEnd.wait() } }
            engine.network.run()
            try #require(addresses.count == 1)
        }

        var url: String { "ws://\(addresses.values[0])" }

        func start<Value>(_ body: @escaping @Sendable () async throws -> Value) -> Running<Value> {
            Running.start(on: engine.network.elsewhere, body)
        }

        func client(
            _ configure: (inout WebSocketClientConfiguration) -> Void = { _ in }
        ) -> WebSocketClientConfiguration {
            var configuration = WebSocketClientConfiguration()
            configuration.engine = .given(engine)
            configure(&configuration)
            return configuration
        }

        /// Has the server told to stop, and says whether it has stopped within a time.
        func stop(within duration: Duration) -> Bool {
            mayEnd.open()
            engine.network.advance(by: duration)
            return running?.hasEnded == true
        }

        deinit {
            mayEnd.open()
            engine.network.advance(by: .seconds(60))
            engine.tearDown()
        }
    }

    @Test("A server and a client exchange messages on the simulated engine", arguments: [false, true])
    func aServerAndAClientRunOnIt(onLoop: Bool) throws {
        let world = try World { server in server.route("/echo", handler: echo) }
        let configuration = world.client { $0.handlesOnLoop = onLoop }
        let url = world.url + "/echo"
        let answer = world.start {
            try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
                try await socket.send("hello")
                return try await socket.receive { $0.text }
            }
        }
        world.engine.network.run()
        #expect(try answer.value == "hello")
        #expect(world.stop(within: .zero))
        #expect(world.engine.livingConnections.isEmpty)
        #expect(world.engine.openSockets == 0)
    }

    @Test("An on-loop client exchanges messages on the simulated engine")
    func anOnLoopClientRunsOnIt() throws {
        let world = try World { server in server.routeOnLoop("/echo") { _ in OnLoopEcho() } }
        let configuration = world.client()
        let url = world.url + "/echo"
        let outcome = world.start {
            try await WebSocketClient.connectOnLoop(to: url, configuration: configuration) { _ in SaysAndCloses() }
        }
        world.engine.network.run()
        #expect(try outcome.value.isClean)
        #expect(world.engine.openSockets == 0)
    }

    private struct SaysAndCloses: OnLoopHandler {
        func opened(_ socket: OnLoopWebSocket) { socket.send("hello") }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            #expect(message.text == "hello")
            try? socket.close()
        }
    }

    @Test("A shutdown ends after shutdownTimeout in virtual time")
    func aShutdownEndsAfterItsTimeout() throws {
        let never = Gate()
        let world = try World {
            $0.shutdownTimeout = .seconds(7)
        } routes: { server in
            server.route("/") { _ in try await never.wait() }
        }
        let configuration = world.client()
        let url = world.url
        let client = world.start {
            try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
                while try await socket.receive({ _ in }) != nil {}
                try await never.wait()
            }
        }
        world.engine.network.run()
        #expect(!world.stop(within: .milliseconds(6900)))
        #expect(world.stop(within: .milliseconds(200)))
        never.open()
        world.engine.network.run()
        #expect(client.hasEnded)
    }

    @Test("A handler that outlives its connection is cancelled after handlerGracePeriod in virtual time")
    func aHandlerIsCancelledAfterTheGracePeriod() throws {
        let ended = Collected<String>()
        let never = Gate()
        let world = try World {
            $0.handlerGracePeriod = .seconds(5)
        } routes: { server in
            server.route("/") { _ in
                do { try await never.wait() } catch { ended.append("\(type(of: error))") }
            }
        }
        let configuration = world.client()
        let url = world.url
        _ = world.start { try await WebSocketClient.connect(to: url, configuration: configuration) { _ in } }
        world.engine.network.advance(by: .milliseconds(4900))
        #expect(ended.isEmpty)
        world.engine.network.advance(by: .milliseconds(200))
        #expect(ended.values == ["CancellationError"])
    }

    @Test("Each connect fault fails one attempt with its own error", arguments: SimulatedEngine.ConnectFault.allCases)
    func aConnectFaultFailsOneAttempt(fault: SimulatedEngine.ConnectFault) throws {
        let world = try World { server in server.route("/", handler: echo) }
        world.engine.connectFault = fault
        let configuration = world.client { $0.connectTimeout = .seconds(3) }
        let url = world.url
        let failed = world.start {
            try await WebSocketClient.connect(to: url, configuration: configuration) { _ in }
        }
        world.engine.network.advance(by: .milliseconds(2900))
        #expect(failed.hasEnded == (fault != .silence))
        world.engine.network.advance(by: .milliseconds(200))
        #expect(failed.error?.code == .connectFailed)
        #expect(
            failed.error?.message.contains(fault == .silence ? "connectTimeout" : "the network") == (fault != .refused))
        #expect(world.engine.openSockets == 0)
        world.engine.connectFault = nil
        let works = world.start { try await WebSocketClient.connect(to: url, configuration: configuration) { _ in } }
        world.engine.network.run()
        #expect(throws: Never.self) { try works.value }
    }

    @Test("A connect to a port without a server is refused")
    func aPortWithoutServerIsRefused() throws {
        let world = try World { _ in }
        let configuration = world.client()
        let failed = world.start {
            try await WebSocketClient.connect(to: "ws://127.0.0.1:1", configuration: configuration) { _ in }
        }
        world.engine.network.run()
        #expect(failed.error?.message.contains("nothing is listening there") == true)
    }

    @Test("An accept that fails is repeated after a pause")
    func aFailedAcceptIsRepeated() throws {
        let world = try World { server in server.route("/", handler: echo) }
        world.engine.acceptFailures = 3
        let configuration = world.client()
        let url = world.url
        let works = world.start {
            try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
                try await socket.send("hello")
                return try await socket.receive { $0.text }
            }
        }
        world.engine.network.advance(by: SimulatedEngine.acceptPause * 2)
        #expect(!works.hasEnded)
        world.engine.network.advance(by: SimulatedEngine.acceptPause)
        #expect(try works.value == "hello")
    }

    /// Connects two peers that speak bytes over a link that keeps what arrived before a reset.
    private static func peers() throws -> (engine: SimulatedEngine, client: RawPeer, server: RawPeer) {
        let engine = SimulatedEngine()
        engine.link.resetDropsInput = false
        let servers = Collected<RawPeer>()
        let port = engine.listen { servers.append(RawPeer($0)) }
        let client = RawPeer(try #require(engine.connect(to: port)))
        return (engine, client, try #require(servers.values.first))
    }

    @Test("Bytes that arrived before a reset are read first, unless reading is paused", arguments: [true, false])
    func aResetIsReportedWhileReadingIsPaused(reads: Bool) throws {
        let (engine, client, server) = try Self.peers()
        server.transport.setReading(reads)
        client.send("hello")
        client.transport.reset()
        #expect(!server.wasReset)
        engine.network.run()
        #expect(server.wasReset)
        #expect(server.takeText() == (reads ? "hello" : ""))
    }

    @Test("A failed write is reported as soon as reading is paused")
    func aFailedWriteIsReportedWhileReadingIsPaused() throws {
        let (engine, client, server) = try Self.peers()
        client.transport.shutdownInput()
        server.send("hello")
        client.send("hello")
        engine.network.run()
        #expect(server.transport.outputIsBroken && server.transport.pendingBytes == 5)
        #expect(!server.wasReset && server.takeText() == "hello")
        server.transport.setReading(false)
        engine.network.run()
        #expect(server.wasReset)
    }

    @Test("A second server cannot listen on a port that is in use")
    func aPortInUseIsRefused() throws {
        let world = try World { _ in }
        let address = world.addresses.values[0]
        var configuration = WebSocketServerConfiguration()
        configuration.engine = .given(world.engine)
        let second = WebSocketServer(address: address, configuration: configuration)
        let failed = world.start { try await second.run() }
        world.engine.network.run()
        #expect(failed.error?.code == .listenFailed)
    }

    @Test("TLS is refused on the simulated engine")
    func tlsIsRefused() throws {
        let world = try World { _ in }
        let configuration = world.client()
        let failed = world.start {
            try await WebSocketClient.connect(to: "wss://127.0.0.1:1", configuration: configuration) { _ in }
        }
        world.engine.network.run()
        #expect(failed.error?.code == .invalidConfiguration)
    }
}
