import HTTPTypes
import Lifeline
import LifelineTesting
import Testing

// TestYourHandlers.md and LifelineTesting.docc. These run.

@Sendable private func greet(_ socket: WebSocket) async throws {
    guard let name = try await socket.receive(upTo: 100)?.text else { return }
    try await socket.send("hello, \(name)")
}

@Sendable private func authorize(_ upgrade: ServerRequest) async throws -> UpgradeAcceptance<Int> {
    guard upgrade.query["token"] == "secret" else { throw HandshakeRefusal(.unauthorized) }
    return .accept(try upgrade.parameters.require("room"))
}

@Suite("Snippets about LifelineTesting")
struct ShownTests {
    @Test func greets() async throws {
        let (client, server) = try await WebSocket.pair()
        async let handling: Void = greet(server)
        try await client.send("Ada")
        #expect(try await client.receive() == .text("hello, Ada"))
        try await client.close()
        try await handling
    }

    @Test func aWholeServer() async throws {
        let network = TestNetwork()
        var server = WebSocketServer(address: .hostname("localhost", port: 0))
        server.configuration.engine = network.engine
        server.route("/greet", handler: greet)
        try await server.withServer { address in
            var configuration = WebSocketClientConfiguration()
            configuration.engine = network.engine
            let url = "ws://localhost:\(address.port ?? 0)/greet"
            let text = try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
                try await socket.send("Ada")
                return try await socket.receive()?.text
            }
            #expect(text == "hello, Ada")
        }
    }

    @Test func aDecision() async throws {
        let request = ServerRequest(
            HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: "/rooms/7?token=secret"),
            route: "/rooms/{room}")
        #expect(try await authorize(request).value == 7)
    }

    @Test func time() async throws {
        let network = TestNetwork()
        try await network.run {
            let (client, _) = try await WebSocket.pair(on: network)
            async let message = client.receive(within: .seconds(3600))
            await network.advance(by: .seconds(3601))
            do {
                _ = try await message
                Issue.record("nothing was sent")
            } catch {
                #expect((error as? WebSocketError)?.code == .timedOut)
            }
        }
    }

    @Test func failures() async throws {
        let network = TestNetwork()
        let (client, _) = try await WebSocket.pair(on: network)
        await network.resetConnections()
        let error = await #expect(throws: WebSocketError.self) { try await client.receive() }
        #expect(error?.code == .closed)
    }

    @Test func latency() async throws {
        let network = TestNetwork(latency: .seconds(2))
        try await network.run {
            async let opening = WebSocket.pair(on: network)
            await network.advance(by: .seconds(60))
            let (client, _) = try await opening
            async let trip = client.ping()
            await network.advance(by: .seconds(5))
            #expect(try await trip == .seconds(4))
        }
    }
}
