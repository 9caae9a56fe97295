import HTTPTypes
import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

/// A server's own life: listening, shutting down, and what its handlers may do meanwhile.
@Suite("Servers over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct ServerTests {
    // MARK: Listening

    @Test("A second server cannot listen on an address in use")
    func anAddressInUseIsRefused() async throws {
        try await WebSocketServer.forTests().withServer { address in
            let error = await TLSTests.error { try await WebSocketServer.forTests(at: address).withServer { _ in } }
            #expect(error?.code == .listenFailed)
            #expect(error?.message.contains("in use") == true)
        }
    }

    @Test("A server runs until its task is cancelled")
    func aServerRunsUntilItsTaskIsCancelled() async throws {
        var server = WebSocketServer.forTests()
        server.route("/", handler: echo)
        let addresses = Collected<ServerAddress>()
        server.onListening = { addresses.append($0) }
        let running = Task(executorPreference: OffThePool.executor) { [server] in try await server.run() }
        let address = try await addresses.values(1)[0]
        let outcome = try await WebSocketClient.connect(to: "ws://\(address)/") { socket in
            running.cancel()
            // 1001 ends a conversation as 1000 does.
            let messages = try await socket.all()
            #expect(messages == [])
            return await socket.outcome
        }
        #expect(outcome?.code == .goingAway && outcome?.isClean == true)
        try await running.value
        #expect(await ConnectErrorTests.error(to: "ws://\(address)/")?.code == .connectFailed)
    }

    @Test("withServer returns what its body returns, and throws what it throws")
    func theBodysResultIsReturned() async throws {
        #expect(try await WebSocketServer.forTests().withServer { $0.port != 0 })
        await #expect(throws: ScopeTests.Failure.self) {
            try await WebSocketServer.forTests().withServer { _ in throw ScopeTests.Failure() }
        }
    }

    @Test("A port can be used again as soon as its server has stopped", arguments: [nil, 2])
    func aPortIsFreeAgainAtOnce(loopCount: Int?) async throws {
        var address = ServerAddress.hostname("127.0.0.1", port: 0)
        for _ in 0..<20 {
            var server = WebSocketServer.forTests(at: address) { $0.loopCount = loopCount }
            server.route("/", handler: echo)
            address = try await server.withServer { address in
                try await WebSocketClient.connect(to: "ws://\(address)/") { try await $0.send("hello") }
                return address
            }
        }
    }

    // MARK: Shutting down

    @Test("A socket that outlives its server's loops gives its outcome")
    func aSocketOutlivesItsLoops() async throws {
        let sockets = Collected<WebSocket>()
        var server = WebSocketServer.forTests { $0.loopCount = 1 }
        server.route("/") { socket in
            sockets.append(socket)
            while try await socket.receive({ _ in }) != nil {}
        }
        try await server.withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)/") { _ = try await $0.ping() }
        }
        let socket = try #require(sockets.values.first)
        #expect(await socket.outcome?.code == .normalClosure)
        #expect(await TLSTests.error { try await socket.send("too late") }?.code == .closed)
        #expect(await TLSTests.error { _ = try await socket.ping() }?.code == .closed)
        #expect(try await socket.receive { $0.text } == nil)
        #expect(try await socket.close().code == .normalClosure)
    }

    @Test("§7.4.1 a shutdown closes open connections with 1001", arguments: [nil, 2])
    func openConnectionsAreClosedWith1001(loopCount: Int?) async throws {
        let outcomes = Collected<CloseOutcome>()
        var server = WebSocketServer.forTests { $0.loopCount = loopCount }
        server.route("/task", handler: echo)
        server.routeOnLoop("/loop") { _ in OnLoopEcho() }
        let opened = Collected<Int>()
        let clients = try await server.withServer { address in
            let clients = (0..<20).map { number in
                Task(executorPreference: OffThePool.executor) {
                    try await WebSocketClient.connect(to: "ws://\(address)/\(number < 10 ? "task" : "loop")") {
                        socket in
                        opened.append(number)
                        for try await _ in socket {}
                        if let outcome = await socket.outcome { outcomes.append(outcome) }
                    }
                }
            }
            _ = try await opened.values(20)
            return clients
        }
        // All of them have been told by now, and have answered.
        for client in clients { try await client.value }
        #expect(outcomes.values.map(\.code) == Array(repeating: .goingAway, count: 20))
        #expect(outcomes.values.allSatisfy { $0.isClean && $0.initiator == .peer })
    }

    @Test("A shutdown waits at most shutdownTimeout for a client that does not answer")
    func aShutdownIsBounded() async throws {
        var server = WebSocketServer.forTests { $0.shutdownTimeout = .milliseconds(200) }
        server.route("/", handler: echo)
        let clients = Collected<RawSocket>()
        let clock = ContinuousClock()
        // Its end alone is what should not take long; how long connecting does is the machine's affair.
        let start = try await server.withServer { address in
            let client = try await RawSocket.connect(to: address)
            clients.append(client)
            client.send(.request("/"))
            _ = await client.takeHead()
            return clock.now
        }
        #expect(start.duration(to: clock.now) < .seconds(8), "the close deadline alone would be ten seconds")
        let client = clients.values[0]
        await client.ended()
        #expect(try WireFrame.parse(client.bytes).map(\.closeCode) == [1001])
        await client.close()
    }

    @Test("Handlers that run longer than shutdownTimeout are cancelled")
    func handlersThatOutlastTheShutdownAreCancelled() async throws {
        let ended = Collected<Bool>()
        let isRunning = Gate()
        var server = WebSocketServer.forTests { $0.shutdownTimeout = .milliseconds(100) }
        server.route("/") { _ in
            isRunning.open()
            do { try await Gate().wait() } catch { ended.append(Task.isCancelled) }
        }
        try await server.withServer { address in
            let client = try await RawSocket.connect(to: address)
            client.send(.request("/"))
            try await isRunning.wait()
            await client.close()
        }
        #expect(ended.values == [true], "and the server has waited for it")
    }

    @Test("Handlers that outlive their connection by handlerGracePeriod are cancelled")
    func handlersThatOutlastTheirConnectionAreCancelled() async throws {
        let ended = Collected<Bool>()
        var server = WebSocketServer.forTests { $0.handlerGracePeriod = .milliseconds(50) }
        server.route("/patient") { _ in
            do { try await Gate().wait() } catch { ended.append(Task.isCancelled) }
        }
        server.route("/prompt") { socket in
            for try await _ in socket {}
            ended.append(Task.isCancelled)
        }
        try await server.withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)/prompt") { _ in }
            #expect(try await ended.values(1) == [false])
            try await WebSocketClient.connect(to: "ws://\(address)/patient") { _ in }
            #expect(try await ended.values(2) == [false, true])
        }
    }

    @Test("A shutdown ends connections that are not WebSockets")
    func connectionsWithoutAWebSocketAreEnded() async throws {
        let clients = Collected<RawSocket>()
        try await WebSocketServer.forTests().withServer { address in
            for text in ["", "GET / HT", "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"] {
                let client = try await RawSocket.connect(to: address)
                clients.append(client)
                client.send(text)
            }
            await clients.values[2].wait { !$0.isEmpty }
        }
        for client in clients.values {
            await client.ended()
            await client.close()
        }
    }

    // MARK: Descriptors

    @Test("Connections that have ended leave no descriptors")
    func endedConnectionsLeaveNoDescriptors() async throws {
        var server = WebSocketServer.forTests()
        server.route("/", handler: echo)
        try await server.withServer { address in
            let port = address.port ?? 0
            let base = Descriptors.sockets(port: port)
            for round in 0..<200 {
                switch round % 5 {
                case 0: try await WebSocketClient.connect(to: "ws://\(address)/") { _ in }
                case 1: _ = await ConnectErrorTests.error(to: "ws://\(address)/nowhere")
                case 2:
                    let task = Task(executorPreference: OffThePool.executor) {
                        try await WebSocketClient.connect(to: "ws://\(address)/") { _ in }
                    }
                    task.cancel()
                    _ = await task.result
                case 3:
                    let client = try await RawSocket.connect(to: address)
                    client.send(.request("/"))
                    try await client.reset()
                default:
                    let client = try await RawSocket.connect(to: address)
                    client.send(Array(HandshakeText.request("/").bytes.prefix(round)))
                    await client.close()
                }
            }
            // The listening socket alone is left.
            try await eventually { Descriptors.sockets(port: port).isSubset(of: base) }
        }
    }
}
