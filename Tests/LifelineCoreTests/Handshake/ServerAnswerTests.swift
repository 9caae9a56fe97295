import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§4.2.2 the server's response")
struct ServerAnswerTests {
    private func handshake(_ text: HandshakeText = .request) throws -> ServerHandshake {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(text.bytes)
        return try ServerHandshake(try #require(server.request))
    }

    @Test("§4.2.2 item 5: the RFC's example gets the RFC's response")
    func example() throws {
        let server = EndpointHarness(server: .server)
        server.receive(HandshakeText.request.bytes)
        let answer = server.takeMessage()
        #expect(answer.startLine == "HTTP/1.1 101 Switching Protocols")
        #expect(answer["Upgrade"] == "websocket")
        #expect(answer["Connection"] == "Upgrade")
        #expect(answer["Sec-WebSocket-Accept"] == HandshakeText.exampleAccept)
        #expect(answer.fields.count == 3)
        #expect(server.output.isEmpty)
    }

    @Test("§4.2.2 item 4: the server picks its first choice among the offered subprotocols, or none")
    func chosenSubprotocol() throws {
        let offered = try handshake(.request.adding("Sec-WebSocket-Protocol: soap, wamp"))
        #expect(offered.chosenSubprotocol(from: ["mqtt", "wamp", "soap"]) == "wamp")
        #expect(offered.chosenSubprotocol(from: ["mqtt"]) == nil)
        #expect(offered.chosenSubprotocol(from: []) == nil)
        #expect(offered.chosenSubprotocol(from: ["SOAP"]) == nil)
        #expect(try handshake().chosenSubprotocol(from: ["soap"]) == nil)
    }

    @Test("§4.2.2 item 5.5: the response names the subprotocol, if any")
    func subprotocolField() throws {
        let offered = try handshake(.request.adding("Sec-WebSocket-Protocol: soap, wamp"))
        #expect(offered.response(subprotocol: "wamp").headerFields[.secWebSocketProtocol] == "wamp")
        #expect(!offered.response().headerFields.contains(.secWebSocketProtocol))
    }

    @Test("§4.2.2 item 5.6: the response names the agreed extensions with their parameters")
    func extensionsField() throws {
        let agreed = [WebSocketExtension(name: "a", parameters: [.init(name: "b", value: "1"), .init(name: "c")])]
        let response = try handshake(.request.adding("Sec-WebSocket-Extensions: a; b; c")).response(extensions: agreed)
        #expect(response.headerFields[.secWebSocketExtensions] == "a; b=1; c")
    }

    @Test("§4.2.2 the application's fields are sent, except those of the handshake")
    func applicationFields() throws {
        let response = try handshake().response(headerFields: [
            .setCookie: "id=1", .secWebSocketAccept: "forged", .connection: "close", .contentLength: "5",
            .secWebSocketProtocol: "forged", .transferEncoding: "chunked",
        ])
        let fields = response.headerFields
        #expect(fields[.setCookie] == "id=1")
        #expect(fields[values: .secWebSocketAccept] == [HandshakeText.exampleAccept])
        #expect(fields[values: .connection] == ["Upgrade"])
        #expect(!fields.contains(.contentLength) && !fields.contains(.transferEncoding))
        #expect(!fields.contains(.secWebSocketProtocol))
    }

    @Test("RFC 8441 §5 an extended CONNECT has neither key nor upgrade, and is answered with 200")
    func extendedConnect() throws {
        var request = HTTPRequest(
            method: .connect, scheme: "https", authority: "server.example.com", path: "/chat",
            headerFields: [.secWebSocketVersion: "13", .secWebSocketProtocol: "soap"])
        request.extendedConnectProtocol = "websocket"
        #expect(ServerHandshake.isOpening(request))
        let handshake = try ServerHandshake(request)
        let response = handshake.response(subprotocol: "soap")
        #expect(response.status == .ok)
        #expect(response.headerFields[.secWebSocketProtocol] == "soap")
        #expect(!response.headerFields.contains(.secWebSocketAccept))
        #expect(!response.headerFields.contains(.connection) && !response.headerFields.contains(.upgrade))

        request.headerFields[.secWebSocketVersion] = "8"
        #expect(throws: HandshakeRefusal.self) { try ServerHandshake(request) }
    }

    @Test("§4.2.2 a refusal has its message as body, and keeps the connection open")
    func refusalBody() {
        let server = EndpointHarness(server: .server)
        server.receive(HandshakeText.request.without("Sec-WebSocket-Key").bytes)
        let answer = server.takeMessage()
        #expect(answer.status == 400)
        #expect(answer["Content-Type"] == "text/plain; charset=utf-8")
        #expect(
            answer.body == "the request has no Sec-WebSocket-Key; "
                + "one Sec-WebSocket-Key of sixteen bytes in base64 is needed (RFC 6455 §4.2.1)\n")
        #expect(answer["Connection"] == nil)
        #expect(server.phase == .opening && server.transportRequest == nil)

        server.receive(HandshakeText.request.bytes)
        #expect(server.takeMessage().status == 101)
        server.expectOpen()
    }

    @Test("§4.2.2 the reason of a refusal names the broken rule")
    func reasons() {
        #expect("\(HandshakeRefusal.upgradeRequired.reason)" == "not an upgrade")
        #expect("\(HandshakeRefusal.upgradeRequired)".hasPrefix("426 Upgrade Required: "))
        let own = HandshakeRefusal(status: .unauthorized, message: "who are you?", headerFields: [.retryAfter: "1"])
        #expect(own.reason == .application)
        #expect(own.response.headerFields[.retryAfter] == "1")
    }
}

@Suite("§4.4 version negotiation")
struct VersionNegotiationTests {
    @Test(
        "§4.4 a version that is missing, not 13 or repeated gets 426 with the supported version",
        arguments: [
            [], ["8"], ["12"], ["14"], ["0"], ["013"], ["13.0"], [""], ["13, 8"], ["8, 13"], ["13", "13"], ["13", "8"],
        ])
    func otherVersions(_ versions: [String]) {
        var request = HandshakeText.request.without("Sec-WebSocket-Version")
        request.fields += versions.map { "Sec-WebSocket-Version: \($0)" }
        let server = EndpointHarness(server: .server)
        server.receive(request.bytes)
        let answer = server.takeMessage()
        #expect(answer.status == 426)
        #expect(answer["Sec-WebSocket-Version"] == "13")
        #expect(answer["Upgrade"] == "websocket")
    }

    @Test("§4.4 after a 426, the client may retry on the same connection")
    func secondTry() {
        let server = EndpointHarness(server: .server)
        server.receive(HandshakeText.request.replacing("Sec-WebSocket-Version", with: "25").bytes)
        #expect(server.takeMessage().status == 426)
        server.receive(HandshakeText.request.bytes)
        #expect(server.takeMessage().status == 101)
        server.expectOpen()
    }

    @Test("§4.4 white space around the version is ignored")
    func whitespace() {
        let server = EndpointHarness(server: .server)
        server.receive(
            HandshakeText.request.without("Sec-WebSocket-Version").adding("Sec-WebSocket-Version: \t13 ").bytes)
        server.expectOpen()
    }
}
