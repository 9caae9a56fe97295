import ChatExample
import HTTPTypes
import Lifeline
import LifelineTesting
import StayExample
import Testing
import TickerExample

/// Runs each example from end to end, on a network in memory.
@Suite("Examples", .timeLimit(.minutes(1)))
struct ExamplesTests {
    private let network = TestNetwork()

    private var server: WebSocketServer {
        var server = WebSocketServer(address: .hostname("localhost", port: 0))
        server.configuration.engine = network.engine
        return server
    }

    private func configuration(token: String? = nil) -> WebSocketClientConfiguration {
        var configuration = WebSocketClientConfiguration()
        configuration.engine = network.engine
        if let token { configuration.headerFields[.authorization] = "Bearer \(token)" }
        return configuration
    }

    private func withChat(
        _ rooms: Rooms = Rooms(), _ body: nonisolated(nonsending) (String) async throws -> Void
    ) async throws {
        var server = server
        server.addChat(rooms) { ["1": "Ada", "2": "Grace"][$0] }
        try await server.withServer { address in
            try await body("ws://localhost:\(address.port ?? 0)/rooms")
        }
    }

    @Test("Chat: a line reaches everybody in the room, and nobody else")
    func chat() async throws {
        let rooms = Rooms()
        try await withChat(rooms) { url in
            let ada = try await WebSocketClient.open(to: url + "/den", configuration: configuration(token: "1"))
            let grace = try await WebSocketClient.open(to: url + "/den?token=2", configuration: configuration())
            let other = try await WebSocketClient.open(to: url + "/hall?token=2", configuration: configuration())
            while await rooms.count(in: "den") < 2 { await Task.yield() }
            while await rooms.count(in: "hall") < 1 { await Task.yield() }

            try await ada.send("hello")
            #expect(try await ada.receive() == .text("Ada: hello"))
            #expect(try await grace.receive() == .text("Ada: hello"))
            try await other.send("quiet here")
            #expect(try await other.receive() == .text("Grace: quiet here"))

            try await grace.close()
            while await rooms.count(in: "den") > 1 { await Task.yield() }
            try await ada.send("alone")
            #expect(try await ada.receive() == .text("Ada: alone"))
        }
    }

    @Test("Chat: strangers are refused in the handshake", arguments: [nil, "3"])
    func strangers(token: String?) async throws {
        try await withChat { url in
            let error = await #expect(throws: WebSocketError.self) {
                try await WebSocketClient.open(to: url + "/den", configuration: configuration(token: token))
            }
            #expect(error?.handshakeFailure?.response?.status == .unauthorized)
            #expect(error?.handshakeFailure?.response?.headerFields[.wwwAuthenticate] == "Bearer")
        }
    }

    @Test("Chat: a room is needed, text is needed, and lines have a limit")
    func limits() async throws {
        try await withChat { url in
            let error = await #expect(throws: WebSocketError.self) {
                try await WebSocketClient.open(to: url, configuration: configuration(token: "1"))
            }
            #expect(error?.handshakeFailure?.response?.status == .notFound)

            let binary = try await WebSocketClient.open(to: url + "/a", configuration: configuration(token: "1"))
            try await binary.send([1, 2, 3])
            await #expect(throws: WebSocketError.self) { try await binary.receive() }
            #expect(await binary.outcome?.code == .unsupportedData)
            #expect(await binary.outcome?.reason == "this chat is for text")

            let long = try await WebSocketClient.open(to: url + "/a", configuration: configuration(token: "1"))
            try await long.send(String(repeating: "x", count: 5000))
            await #expect(throws: WebSocketError.self) { try await long.receive() }
            #expect(await long.outcome?.code == .messageTooBig)
        }
    }

    @Test("Chat: a member who reads too slowly is closed, the others go on")
    func slowMember() async throws {
        let rooms = Rooms(maximumWaiting: 64 << 10)
        try await withChat(rooms) { url in
            let fast = try await WebSocketClient.open(to: url + "/den", configuration: configuration(token: "1"))
            // It never receives, so its client stops reading, and the server's queue grows.
            let slow = try await WebSocketClient.open(to: url + "/den", configuration: configuration(token: "2"))
            while await rooms.count(in: "den") < 2 { await Task.yield() }
            var lines = 0
            while await rooms.count(in: "den") > 1, lines < 10_000 {
                let line = String((0..<4000).map { _ in "abcdefghijklmnop".randomElement() ?? "a" })
                try await fast.send(line)
                #expect(try await fast.receive()?.text == "Ada: " + line)
                lines += 1
            }
            #expect(await rooms.count(in: "den") == 1)
            #expect(await fast.outcome == nil)
            // No time passes here by itself, so the slow member's Close frame would wait for ever behind the lines.
            await network.resetConnections()
            #expect(await slow.outcome?.isClean == false)
        }
    }

    @Test("Ticker: the client sees the ticks in their order, and closes")
    func ticker() async throws {
        var server = server
        server.addTicker(every: .seconds(1)) { _ in await Task.yield() }
        try await server.withServer { address in
            var seen: [String] = []
            try await watchTicker(
                at: "ws://localhost:\(address.port ?? 0)/ticks", configuration: configuration(), limit: 5
            ) { seen.append($0) }
            #expect(seen == (1...5).map { "tick \($0)" })
        }
    }

    @Test("Stay: it comes back with a new token until the server is done")
    func stays() async throws {
        var server = server
        server.route("/") { upgrade in
            let token = upgrade.headerFields[.authorization] ?? ""
            guard token != "Bearer 2" else {
                throw HandshakeRefusal(.serviceUnavailable, headerFields: [.retryAfter: "60"])
            }
            return .accept(token)
        } handler: { socket, token in
            try await socket.send(token)
            let isLast = token == "Bearer 3"
            throw WebSocketCloseError(code: isLast ? .normalClosure : .goingAway)
        }
        try await server.withServer { address in
            var (tokens, seen, waits) = (0, [String](), [Duration]())
            try await stay(at: "ws://localhost:\(address.port ?? 0)/", configuration: configuration()) {
                tokens += 1
                return "\(tokens)"
            } sleep: {
                waits.append($0)
            } handler: { socket in
                for try await message in socket { seen.append(message.text ?? "") }
            }
            #expect(seen == ["Bearer 1", "Bearer 3"])
            #expect(waits.count == 2 && waits[0] <= .milliseconds(500) && waits[1] == .seconds(60))
        }
    }

    @Test("Stay: a server that does not want the token ends it")
    func unwanted() async throws {
        var server = server
        server.route("/") { (_) -> UpgradeAcceptance<Void> in
            throw HandshakeRefusal(.unauthorized)
        } handler: { _, _ in
        }
        try await server.withServer { address in
            let error = await #expect(throws: WebSocketError.self) {
                try await stay(
                    at: "ws://localhost:\(address.port ?? 0)/", configuration: configuration(), token: { "old" },
                    sleep: { _ in Issue.record("it must not try again") }, handler: { _ in })
            }
            #expect(error?.code == .handshakeRefused)
        }
    }
}
