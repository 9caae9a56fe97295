import HTTPTypes
import LifelineCore
import LifelineTesting
import Testing

@testable import Lifeline

/// The application decides about a request before it is answered (RFC 6455 §4.2.2).
@Suite("§4.2.2 upgrade decisions") struct UpgradeTests {
    typealias Upgrade = @Sendable (ServerRequest) async throws -> UpgradeAcceptance<String>

    /// A server whose handler sends the value that the request was accepted with, and echoes.
    static func server(
        subprotocols: [String] = [], onLoop: Bool = false,
        configure: (inout WebSocketServerConfiguration) -> Void = { _ in }, upgrade: @escaping Upgrade
    ) -> Simulation {
        Simulation(configure: configure) { routes in
            if onLoop {
                routes.routeOnLoop("/room", subprotocols: subprotocols, upgrade: upgrade) { _, value in
                    Greeter(value: value)
                }
            } else {
                routes.route("/room", subprotocols: subprotocols, upgrade: upgrade) { socket, value in
                    try await socket.send(value)
                    try await echo(socket)
                }
            }
        }
    }

    struct Greeter: OnLoopHandler {
        let value: String

        func opened(_ socket: OnLoopWebSocket) { socket.send(value) }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) { socket.send(message) }
    }

    struct Unexpected: Error {}

    @Test("The handler receives the value of the decision", arguments: [false, true])
    func theHandlerGetsTheValue(onLoop: Bool) throws {
        let simulation = Self.server(onLoop: onLoop) { upgrade in
            .accept("Hello, \(upgrade.query["user"] ?? "nobody")")
        }
        let socket = try simulation.open("/room?user=J%C3%BCrgen+S")
        #expect(try simulation.value { try await socket.receive()?.text } == "Hello, Jürgen S")
    }

    @Test("A decision has the path, the query, the fields and the addresses of the request")
    func theRequestIsKnown() throws {
        let seen = Collected<ServerRequest>()
        let simulation = Self.server { upgrade in
            seen.append(upgrade)
            return .accept("")
        }
        _ = try simulation.open("/room?a=1&b=2") {
            $0.subprotocols = ["two", "one"]
            $0.headerFields[.authorization] = "Bearer x"
            $0.headerFields[.origin] = "http://server.example.com"
        }
        let request = try #require(seen.values.first)
        #expect(request.path == "/room" && request.query.map(\.name) == ["a", "b"])
        #expect(request.subprotocols == ["two", "one"])
        #expect(request.headerFields[.authorization] == "Bearer x")
        #expect(request.origin == "http://server.example.com" && request.remoteAddress == "127.0.0.1:1")
    }

    @Test("A decision can choose the subprotocol and add fields")
    func subprotocolAndFields() throws {
        let simulation = Self.server(subprotocols: ["one"]) { upgrade in
            .accept("", subprotocol: upgrade.subprotocols.last, headerFields: [.setCookie: "seen=1", .upgrade: "h2c"])
        }
        let socket = try simulation.open("/room") { $0.subprotocols = ["one", "two"] }
        #expect(socket.handshake.subprotocol == "two")
        #expect(socket.handshake.response.headerFields[.setCookie] == "seen=1")
        #expect(socket.handshake.response.headerFields[.upgrade] == "websocket", "the handshake's own fields stay")
    }

    @Test("The route's subprotocols apply to a decision without a subprotocol")
    func theRoutesSubprotocols() throws {
        let simulation = Self.server(subprotocols: ["one", "two"]) { _ in .accept("") }
        #expect(try simulation.open("/room") { $0.subprotocols = ["two"] }.handshake.subprotocol == "two")
        #expect(try simulation.open("/room").handshake.subprotocol == nil)
    }

    @Test("§4.2.2 choosing a subprotocol that was not offered is answered with 500")
    func aSubprotocolThatWasNotOffered() {
        let simulation = Self.server { _ in .accept("", subprotocol: "chat") }
        #expect(RequestTests.answer(to: .request("/room"), simulation).status == 500)
    }

    @Test(
        "A refusal is sent as its HTTP response",
        arguments: [
            (
                HandshakeRefusal(
                    .unauthorized, headerFields: [.wwwAuthenticate: "Bearer", .contentType: "application/json"],
                    body: Array(#"{"error":"token"}"#.utf8)),
                401, ["WWW-Authenticate: Bearer", "Content-Length: 17", #"{"error":"token"}"#]
            ),
            (HandshakeRefusal(.noContent), 204, []),
            (HandshakeRefusal(.notModified, body: [1, 2, 3]), 304, []),
            (HandshakeRefusal(.found, headerFields: [.location: "/login"]), 302, ["Location: /login"]),
            (HandshakeRefusal(status: .tooManyRequests, message: "later"), 429, ["later\n", "text/plain"]),
            (HandshakeRefusal(.badRequest, headerFields: [.transferEncoding: "chunked"]), 400, ["Content-Length: 0"]),
        ])
    func aRefusal(refusal: HandshakeRefusal, status: Int, parts: [String]) {
        let answer = RequestTests.answer(to: .request("/room"), Self.server { _ in throw refusal })
        #expect(answer.status == status)
        for part in parts { #expect(answer.text.contains(part), "\(answer.text)") }
        #expect(!answer.text.contains("chunked"))
        if [204, 304].contains(status) { #expect(answer.text.hasSuffix("\r\n\r\n"), "no body") }
    }

    @Test("Any other error is answered with 500, without its description")
    func anUnexpectedError() {
        let answer = RequestTests.answer(to: .request("/room"), Self.server { _ in throw Unexpected() })
        #expect(answer.status == 500 && !answer.text.contains("Unexpected"))
    }

    @Test("A malformed handshake or a foreign origin is refused before the decision")
    func whatIsRefusedBefore() {
        let asked = Collected<String>()
        let simulation = Self.server { upgrade in
            asked.append(upgrade.path)
            return .accept("")
        }
        #expect(RequestTests.answer(to: .request("/room").without("Sec-WebSocket-Key"), simulation).status == 400)
        #expect(
            RequestTests.answer(to: .request("/room").adding("Origin: https://evil.example"), simulation).status == 403)
        #expect(asked.values.isEmpty)
    }

    // MARK: Decisions that take time

    @Test("A connection can send another request after a refusal")
    func anotherRequest() {
        let simulation = Self.server { upgrade in
            guard upgrade.query["token"] == "right" else { throw HandshakeRefusal(.unauthorized) }
            return .accept("in")
        }
        let client = simulation.rawClient()
        client.send(HandshakeText.request("/room?token=wrong").bytes + HandshakeText.request("/room?token=right").bytes)
        simulation.run()
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 401 ") == true)
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 101 ") == true)
    }

    @Test("Frames that arrive before the decision are received after it", arguments: [false, true])
    func whatIsSentAhead(onLoop: Bool) throws {
        let gate = Gate()
        let simulation = Self.server(onLoop: onLoop) { _ in
            try await gate.wait()
            return .accept("late")
        }
        let client = simulation.rawClient()
        client.send(HandshakeText.request("/room").bytes + WireFrame.text("early").bytes)
        simulation.run()
        #expect(client.takeText() == "")
        simulation.advance(by: .seconds(5))
        gate.open()
        simulation.run()
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 101 ") == true)
        #expect(try client.takeFrames().map(\.text) == ["late", "early"])
    }

    @Test("A decision that exceeds the handshake deadline is cancelled and answered with 503")
    func theDeadline() throws {
        let wasCancelled = Collected<Bool>()
        let gate = Gate()
        let simulation = Self.server {
            $0.endpoint.handshakeTimeout = .seconds(3)
        } upgrade: { _ in
            try? await gate.wait()
            wasCancelled.append(Task.isCancelled)
            return .accept("too late")
        }
        let client = simulation.rawClient()
        client.send(.request("/room"))
        simulation.advance(by: .seconds(2.9))
        #expect(client.takeText() == "")
        // Deadlines are rounded up to a quarter of a second.
        simulation.advance(by: .seconds(0.4))
        let answer = client.takeText()
        #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("handshakeTimeout"), "\(answer)")
        #expect(wasCancelled.values == [true])
        client.end()
        simulation.expectNothingLeft()
        #expect(simulation.runtime.isIdle)
    }

    @Test("A client that disconnects cancels the decision", arguments: [false, true])
    func theClientGoesAway(resets: Bool) {
        let gate = Gate()
        let cancelled = Collected<Bool>()
        let simulation = Self.server { _ in
            try? await gate.wait()
            cancelled.append(Task.isCancelled)
            return .accept("")
        }
        let client = simulation.rawClient()
        client.send(.request("/room"))
        simulation.run()
        if resets { client.transport.reset() } else { client.end() }
        simulation.run()
        #expect(cancelled.values == [true])
        simulation.expectNothingLeft()
        #expect(simulation.runtime.isIdle)
    }

    @Test("A shutdown answers requests that wait for a decision with 503")
    func shutdown() {
        let gate = Gate()
        let simulation = Self.server { _ in
            try await gate.wait()
            return .accept("")
        }
        let client = simulation.rawClient()
        client.send(.request("/room"))
        simulation.run()
        let shutdown = simulation.shutDown()
        simulation.run()
        let answer = client.takeText()
        #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 5\r\n"))
        #expect(client.inputHasEnded)
        client.end()
        simulation.run()
        #expect(shutdown.hasEnded)
        #expect(simulation.runtime.isIdle)
    }

    @Test("A decision that ignores its cancellation opens no connection")
    func aDecisionThatComesTooLate() {
        let held = Collected<UnsafeContinuation<Void, Never>>()
        let simulation = Self.server {
            $0.endpoint.handshakeTimeout = .seconds(1)
        } upgrade: { _ in
            await withUnsafeContinuation { held.append($0) }
            return .accept("too late")
        }
        let client = simulation.rawClient()
        client.send(.request("/room"))
        simulation.advance(by: .seconds(2))
        #expect(client.takeText().hasPrefix("HTTP/1.1 503 "))
        client.end()
        simulation.run()
        #expect(!simulation.runtime.isIdle, "the server waits for it")
        for continuation in held.values { continuation.resume() }
        simulation.run()
        #expect(simulation.runtime.isIdle && client.takeText() == "")
    }
}
