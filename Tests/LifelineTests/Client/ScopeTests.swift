import NIOCore
import Testing

@testable import Lifeline
@testable import LifelineCore

/// A connection ends with its scope, by the closing handshake.
@Suite("Connection scopes over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct ScopeTests {
    /// A server, and how each of its connections ended.
    static func server(_ outcomes: Collected<CloseOutcome>) -> WebSocketServer {
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            do {
                for try await message in socket { try await socket.send(message) }
            } catch {}
            if let outcome = await socket.outcome { outcomes.append(outcome) }
        }
        return server
    }

    struct Failure: Error {}

    @Test("§7.4.1 leaving the scope closes with the code for how it was left")
    func theCodeSaysHowTheScopeWasLeft() async throws {
        let outcomes = Collected<CloseOutcome>()
        try await Self.server(outcomes).withServer { address in
            let url = "ws://\(address)/"
            #expect(try await WebSocketClient.connect(to: url) { _ in 42 } == 42)
            await #expect(throws: Failure.self) { try await WebSocketClient.connect(to: url) { _ in throw Failure() } }
            // Closing by hand comes first.
            _ = try await WebSocketClient.connect(to: url) { try await $0.close(code: CloseCode(rawValue: 3000)) }
            #expect(try await outcomes.values(3).map(\.code.rawValue) == [1000, 1011, 3000])
            #expect(outcomes.values.allSatisfy { $0.isClean && $0.initiator == .peer })
        }
    }

    /// The handler goes between its actor and the loop, and what arrives on the way must not be missed.
    @MainActor
    @Test("An actor's handler receives every message", arguments: [false, true])
    func anActorsHandler(onLoop: Bool) async throws {
        let outcomes = Collected<CloseOutcome>()
        try await Self.server(outcomes).withServer { address in
            var configuration = WebSocketClientConfiguration()
            configuration.handlesOnLoop = onLoop
            let echoes = try await WebSocketClient.connect(to: "ws://\(address)/", configuration: configuration) {
                @MainActor socket in
                var echoes = 0
                for number in 0..<1_000 {
                    try await socket.send("\(number)")
                    if try await socket.receive({ $0.text }) == "\(number)" { echoes += 1 }
                }
                return echoes
            }
            #expect(echoes == 1_000)
            #expect(try await outcomes.values(1).map(\.code.rawValue) == [1000])
        }
    }

    @Test("The connection has ended when the scope is left")
    func theConnectionHasEndedWhenTheScopeIsLeft() async throws {
        let outcomes = Collected<CloseOutcome>()
        try await Self.server(outcomes).withServer { address in
            let socket = try await WebSocketClient.connect(to: "ws://\(address)/") { $0 }
            #expect(await socket.outcome?.isClean == true)
            await #expect(throws: WebSocketError.self) { try await socket.send("too late") }
            #expect(try await socket.receive { $0.text } == nil)
        }
    }

    @Test("Messages that were sent before the scope is left arrive")
    func lastMessagesArrive() async throws {
        let received = Collected<Int>()
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            for try await message in socket { received.append(message.buffer.readableBytes) }
        }
        try await server.withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)/") { socket in
                for number in 1...50 { try await socket.send(ByteBuffer(repeating: 1, count: number * 10_000)) }
            }
            #expect(try await received.values(50) == (1...50).map { $0 * 10_000 })
        }
    }

    @Test("§7.4.1 a client receives 1011 when the server's handler throws")
    func aHandlersErrorReachesTheClient() async throws {
        var server = WebSocketServer.forTests()
        server.route("/throws") { _ in throw Failure() }
        server.route("/returns") { try await $0.send("bye") }
        try await server.withServer { address in
            let error = await TLSTests.error {
                try await WebSocketClient.connect(to: "ws://\(address)/throws") { for try await _ in $0 {} }
            }
            #expect(error?.code == .closed && error?.outcome?.code == .internalError)
            let messages = try await WebSocketClient.connect(to: "ws://\(address)/returns") { try await $0.all() }
            #expect(messages == [.text("bye")])
        }
    }

    @Test("Leaving the scope takes at most the close deadline")
    func leavingTheScopeIsBounded() async throws {
        let peer = Collected<RawSocket>()
        try await RawSocket.listen { client in
            peer.append(client)
            let key = await client.takeHead().split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key: ") }
            let accept = AcceptKey.answering(String(key?.dropFirst(19) ?? ""))
            client.send(.switchingProtocols(accept: accept))
        } _: { port in
            var configuration = WebSocketClientConfiguration()
            configuration.endpoint.closeTimeout = .milliseconds(200)
            let socket = try await WebSocketClient.connect(to: "ws://127.0.0.1:\(port)/", configuration: configuration)
            { $0 }
            #expect(await socket.outcome?.failure == .closeTimedOut(after: .milliseconds(200)))
            await peer.values[0].ended()
        }
    }
}
