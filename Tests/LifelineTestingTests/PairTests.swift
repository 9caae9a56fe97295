import Lifeline
import LifelineTesting
import Testing

/// Pairs of sockets in memory, through the public interface alone.
@Suite("WebSocket.pair") struct PairTests {
    /// What is under test: a handler that greets.
    static func greet(_ socket: WebSocket) async throws {
        guard let name = try await socket.receive(upTo: 100)?.text else { return }
        try await socket.send("Hello, \(name)")
        for try await message in socket { try await socket.send(message) }
    }

    @Test("A handler greets")
    func aHandler() async throws {
        let (client, server) = try await WebSocket.pair()
        async let handling: Void = Self.greet(server)
        try await client.send("Ada")
        #expect(try await client.receive() == .text("Hello, Ada"))
        for number in 0..<100 {
            try await client.send([UInt8(number)])
            #expect(try await client.receive()?.bytes == [UInt8(number)])
        }
        let outcome = try await client.close()
        #expect(outcome.isClean && outcome.code == .normalClosure)
        try await handling
    }

    @Test("Many pairs at once are independent")
    func manyPairs() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask {
                    let (client, server) = try await WebSocket.pair()
                    async let handling: Void = Self.greet(server)
                    try await client.send("\(number)")
                    #expect(try await client.receive()?.text == "Hello, \(number)")
                    try await client.close()
                    try await handling
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("A pair runs a real opening handshake")
    func theHandshake() async throws {
        var configuration = WebSocketClientConfiguration()
        configuration.subprotocols = ["chat.v2"]
        configuration.headerFields[.authorization] = "Bearer x"
        let (client, server) = try await WebSocket.pair(target: "/rooms?name=den", clientConfiguration: configuration)
        #expect(server.handshake.path == "/rooms" && server.handshake.query["name"] == "den")
        #expect(server.handshake.request.headerFields[.authorization] == "Bearer x")
        #expect(client.handshake.subprotocol == "chat.v2" && server.handshake.subprotocol == "chat.v2")
        try await server.close(code: .goingAway)
        #expect(try await client.receive() == nil)
    }

    @Test("A malformed target throws", arguments: ["/a b", "no slash", ""])
    func aMalformedTarget(target: String) async throws {
        let error = await #expect(throws: WebSocketError.self) { try await WebSocket.pair(target: target) }
        #expect(error?.code == .invalidRequest)
    }

    @Test("A target with braces is not a pattern")
    func aTargetWithBraces() async throws {
        let (_, server) = try await WebSocket.pair(target: "/%7Ba%7D")
        #expect(server.handshake.parameters.names == [])
    }

    @Test("A cancelled task stops waiting for a network whose clock does not advance")
    func cancellation() async throws {
        let task = Task {
            _ = try await WebSocket.pair(on: TestNetwork(latency: .milliseconds(50)))
        }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        let error = await #expect(throws: WebSocketError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test("A network that fails")
    func aReset() async throws {
        let network = TestNetwork()
        let (client, server) = try await WebSocket.pair(on: network)
        await network.resetConnections()
        let error = await #expect(throws: WebSocketError.self) { try await client.receive() }
        #expect(error?.code == .closed)
        let outcome = await server.end()
        for outcome in [outcome, try #require(error?.outcome)] {
            #expect(!outcome.isClean && outcome.sent == nil && outcome.received == nil, "\(outcome)")
        }
    }
}

/// Time that moves only when a test says so.
@Suite("Virtual time") struct VirtualTimeTests {
    @Test("A receive times out after exactly its time", arguments: 0..<20)
    func receiveTimeout(run: Int) async throws {
        let network = TestNetwork(seed: UInt64(run))
        try await network.run {
            let (client, _) = try await WebSocket.pair(on: network)
            let began = ContinuousClock.now
            async let message = client.receive(within: .seconds(3600))
            await network.advance(by: .seconds(3599))
            try await client.send("still open")
            await network.advance(by: .seconds(2))
            do {
                _ = try await message
                Issue.record("nothing was sent")
            } catch {
                #expect((error as? WebSocketError)?.code == .timedOut)
            }
            #expect(began.duration(to: .now) < .seconds(60))
        }
    }

    @Test("Latency uses virtual time")
    func latency() async throws {
        let network = TestNetwork(latency: .seconds(2))
        try await network.run {
            async let opening = WebSocket.pair(on: network)
            await network.advance(by: .seconds(60))
            let (client, server) = try await opening
            async let trip = client.ping()
            await network.advance(by: .seconds(5))
            #expect(try await trip == .seconds(4))
            #expect(await server.outcome == nil)
        }
    }

    @Test("The heartbeat detects a silent peer")
    func heartbeat() async throws {
        let network = TestNetwork()
        try await network.run {
            let (client, server) = try await WebSocket.pair(on: network)
            // Its Pings are answered for a day.
            await network.advance(by: .seconds(86_400))
            #expect(await client.outcome == nil)
            #expect(await server.roundTripTime == .zero)
        }
    }

    @Test("A whole server and its clients")
    func aServer() async throws {
        let network = TestNetwork()
        var server = WebSocketServer(address: .hostname("localhost", port: 0))
        server.configuration.engine = network.engine
        server.route("/greet") { upgrade in
            guard upgrade.query["token"] == "right" else { throw HandshakeRefusal(.unauthorized) }
            return .accept(7)
        } handler: { socket, value in
            try await socket.send("\(value)")
        }
        try await server.withServer { address in
            var configuration = WebSocketClientConfiguration()
            configuration.engine = network.engine
            let url = "ws://localhost:\(address.port ?? 0)/greet"
            let text = try await WebSocketClient.connect(to: url + "?token=right", configuration: configuration) {
                try await $0.receive()?.text
            }
            #expect(text == "7")
            let error = await #expect(throws: WebSocketError.self) {
                try await WebSocketClient.open(to: url, configuration: configuration)
            }
            #expect(error?.handshakeFailure?.response?.status == .unauthorized)
        }
    }
}
