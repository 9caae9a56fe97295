import Foundation
import HTTPTypes
import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// The opening handshake as a server meets it, and ordinary HTTP beside it (§4.2).
@Suite("§4.2 requests to a server") struct RequestTests {
    static func server(
        observes: Bool = false, configure: (inout WebSocketServerConfiguration) -> Void = { _ in }
    ) -> Simulation {
        Simulation(observes: observes, configure: configure) { routes in
            routes.route("/echo", subprotocols: ["chat.v2", "chat.v1"], handler: echo)
            routes.respond(to: .get, .head, at: "/health") { _ in .text("fine") }
            routes.respond(to: .get, .head, at: "/page") { _ in .text(String(repeating: "x", count: 10_000)) }
        }
    }

    /// The status of the answer to a request, and the whole answer.
    static func answer(to request: HandshakeText, _ simulation: Simulation = server()) -> (status: Int, text: String) {
        let client = simulation.rawClient()
        client.send(request)
        simulation.run()
        let text = client.takeText()
        return (Int(text.dropFirst(9).prefix(3)) ?? 0, text)
    }

    // MARK: Answers

    @Test("§4.2.2 an upgrade request is answered with the accept key and the server's preferred subprotocol")
    func anUpgradeIsAnswered() {
        let (status, text) = Self.answer(to: .request("/echo").adding("Sec-WebSocket-Protocol: chat.v1, chat.v2"))
        #expect(status == 101)
        #expect(text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the answer to the key of §1.3")
        #expect(text.contains("chat.v2"), "the server's preference")
    }

    @Test(
        "RFC 7692 §7.1.2.1 the answer confirms the offered window size of the server",
        arguments: [
            ("", ""), ("; server_max_window_bits=15", "; server_max_window_bits=15"),
            ("; server_max_window_bits=16, permessage-deflate; server_max_window_bits=9", "; server_max_window_bits=9"),
            ("; server_max_window_bits=16, permessage-deflate", ""),
        ])
    func theServersWindowIsConfirmed(offer: String, answer: String) {
        let server = Self.server { $0.endpoint.compression?.parameters = PerMessageDeflate() }
        let request = HandshakeText.request("/echo").adding("Sec-WebSocket-Extensions: permessage-deflate\(offer)")
        let fields = Self.answer(to: request, server).text.components(separatedBy: "\r\n")
        #expect(fields.contains("Sec-WebSocket-Extensions: permessage-deflate\(answer)"), "\(fields)")
    }

    @Test("A query does not change the route")
    func aPathMayHaveAQuery() {
        #expect(Self.answer(to: .request("/echo?room=1")).status == 101)
    }

    @Test(
        "§4.2.1 every kind of request is answered with its status",
        arguments: [
            ("elsewhere", HandshakeText.request("/nowhere"), 404),
            ("version 8", HandshakeText.request("/echo").replacing("Sec-WebSocket-Version", with: "8"), 426),
            ("no version", HandshakeText.request("/echo").without("Sec-WebSocket-Version"), 426),
            ("no key", HandshakeText.request("/echo").without("Sec-WebSocket-Key"), 400),
            ("short key", HandshakeText.request("/echo").replacing("Sec-WebSocket-Key", with: "AAAA"), 400),
            ("no upgrade", HandshakeText.page("/echo"), 426),
            ("no page", HandshakeText.page("/nowhere"), 404),
            ("other origin", HandshakeText.request("/echo").adding("Origin: https://evil.example"), 403),
            ("same origin", HandshakeText.request("/echo").adding("Origin: https://server.example.com"), 101),
            (
                "keep-alive too", HandshakeText.request("/echo").replacing("Connection", with: "keep-alive, Upgrade"),
                101
            ),
            ("a page", HandshakeText.page("/health"), 200),
            ("a HEAD", HandshakeText(startLine: "HEAD /health HTTP/1.1", fields: ["Host: a"]), 200),
            (
                "a POST", HandshakeText(startLine: "POST /health HTTP/1.1", fields: ["Host: a", "Content-Length: 0"]),
                405
            ),
            (
                "HTTP/1.0", HandshakeText(startLine: "GET /echo HTTP/1.0", fields: HandshakeText.request("/").fields),
                400
            ),
            ("a body", HandshakeText.request("/echo").adding("Content-Length: 10"), 413),
            ("garbage", HandshakeText(startLine: "GET  / HTTP/1.1", fields: []), 400),
        ])
    func everyRequestHasItsAnswer(name: String, request: HandshakeText, status: Int) {
        #expect(Self.answer(to: request).status == status, "\(name)")
    }

    @Test("A handler has the request, the response and the agreed subprotocol")
    func aHandlerHasTheHandshake() throws {
        let seen = Collected<WebSocketHandshake>()
        let simulation = Simulation { routes in
            routes.route("/echo", subprotocols: ["chat"]) { seen.append($0.handshake) }
        }
        let socket = try simulation.open("/echo?room=1&user=2") { configuration in
            configuration.subprotocols = ["other", "chat"]
            configuration.headerFields[.authorization] = "Bearer token"
        }
        let handshake = try #require(seen.values.first)
        #expect(handshake.path == "/echo" && handshake.query["room"] == "1" && handshake.query["user"] == "2")
        #expect(handshake.request.headerFields[.authorization] == "Bearer token")
        #expect(handshake.subprotocol == "chat" && socket.handshake.subprotocol == "chat")
        #expect(handshake.response.status == .switchingProtocols)
        #expect(socket.handshake.response.status == .switchingProtocols)
    }

    @Test("A server with maximumConnections open connections answers 503")
    func aFullServerAnswers503() throws {
        let simulation = Self.server { $0.maximumConnections = 2 }
        let first = simulation.openRawClient("/echo")
        _ = simulation.openRawClient("/echo")
        let third = simulation.rawClient()
        third.send(.request("/echo"))
        simulation.run()
        #expect(third.takeText().hasPrefix("HTTP/1.1 503 "))
        first.send(.close(1000))
        first.end()
        simulation.run()
        third.send(.request("/echo"))
        simulation.run()
        #expect(third.takeText().hasPrefix("HTTP/1.1 101 "), "there is room again")
    }

    // MARK: Several requests on one connection

    @Test("RFC 9112 §9.3 ordinary requests and an upgrade can share a connection", arguments: [1, 7, 10_000])
    func aPageAndThenAnUpgrade(size: Int) throws {
        let simulation = Self.server()
        simulation.link.readSize = .atMost(size)
        let client = simulation.rawClient()
        client.send(
            HandshakeText.page("/health").bytes + HandshakeText.request("/nowhere").bytes
                + HandshakeText.request("/echo").bytes + WireFrame.text("hello").bytes)
        simulation.run()
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 200 ") == true)
        #expect(client.bytes.starts(with: "fine".utf8))
        client.giveBack(Array(client.takeBytes().dropFirst(4)))
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 404 ") == true)
        let rest = client.takeText()
        #expect(rest.contains("HTTP/1.1 101 ") && rest.hasSuffix("\u{81}\u{5}hello") || rest.hasSuffix("hello"))
    }

    @Test("Requests wait while the client does not read the answers")
    func requestsWaitForUnreadAnswers() throws {
        let simulation = Self.server(observes: true) { $0.buffers.outbound = .init(low: 20_000, high: 40_000) }
        simulation.link.socketBuffer = 20_000
        let client = simulation.rawClient()
        client.transport.setReading(false)
        let request = HandshakeText.page("/page").bytes
        for _ in 0..<1000 { client.send(request) }
        client.send(.request("/echo"))
        client.send(.text("hello"))
        simulation.run()
        let answered = simulation.serverEvents.words.count { $0 == "200 sent" }
        #expect((4...10).contains(answered), "\(answered) answers of 10 KB")
        let connection = try #require(simulation.loop.connections.first)
        #expect(connection.held.count <= 20_000 && !simulation.serverTransports[0].isReading)
        #expect(simulation.serverTransports[0].pendingBytes < 100_000)
        // Who reads in the end gets everything, in order.
        client.transport.setReading(true)
        simulation.run()
        #expect(simulation.serverEvents.words.count { $0 == "200 sent" } == 1000)
        #expect(client.takeText().hasSuffix("hello"))
        #expect(connection.held.capacity == 0)
    }

    /// Each request has its own time, and none is had by not reading.
    @Test("A client that never reads the answers is disconnected at the handshake deadline")
    func aClientThatNeverReadsIsDisconnected() throws {
        let simulation = Self.server { $0.buffers.outbound = .init(low: 20_000, high: 40_000) }
        simulation.link.socketBuffer = 20_000
        let client = simulation.rawClient()
        client.transport.setReading(false)
        for _ in 0..<100 { client.send(.page("/page")) }
        simulation.advance(by: .seconds(9))
        #expect(simulation.loop.connections.count == 1)
        simulation.advance(by: .seconds(2))
        simulation.expectNothingLeft()
    }

    @Test("RFC 9112 §9.6 an answer to Connection: close is written completely before the connection ends")
    func theLastAnswerIsWrittenCompletely() throws {
        let simulation = Self.server()
        simulation.link.socketBuffer = 1000
        let client = simulation.rawClient()
        client.send(.page("/page").adding("Connection: close"))
        simulation.run()
        #expect(client.bytes.count > 10_000 && client.inputHasEnded && !client.wasReset)
        client.end()
        simulation.expectNothingLeft()
    }

    // MARK: Time

    @Test("A request that is incomplete at the handshake deadline ends the connection")
    func anIncompleteRequestTimesOut() {
        let simulation = Self.server()
        let client = simulation.rawClient()
        for byte in HandshakeText.request("/echo").bytes.prefix(12) {
            client.send([byte])
            simulation.advance(by: .seconds(1))
        }
        #expect(client.isOver)
        simulation.expectNothingLeft()
    }

    @Test("A client that sends nothing is disconnected at the handshake deadline")
    func aSilentClientIsDisconnected() {
        let simulation = Self.server()
        let client = simulation.rawClient()
        simulation.advance(by: .seconds(9))
        #expect(simulation.loop.connections.count == 1)
        simulation.advance(by: .seconds(2))
        #expect(client.isOver)
        simulation.expectNothingLeft()
    }

    @Test(
        "A client that leaves during the handshake leaves nothing behind",
        arguments: Array(stride(from: 0, through: HandshakeText.request("/echo").bytes.count, by: 7)), [false, true])
    func leavingDuringTheHandshakeLeavesNothing(count: Int, resets: Bool) {
        let simulation = Self.server()
        let client = simulation.rawClient()
        client.send(Array(HandshakeText.request("/echo").bytes.prefix(count)))
        if resets { client.transport.reset() } else { client.end() }
        simulation.expectNothingLeft()
    }
}
