import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§4.1 how a client validates the server's response")
struct ClientAnswerTests {
    /// A client, and the answer that would open its connection.
    private func client(
        subprotocols: [String] = [], extensions: [WebSocketExtension] = []
    ) -> (EndpointHarness, HandshakeText) {
        let client = EndpointHarness.client(subprotocols: subprotocols, extensions: extensions)
        let answer = client.answerToRequest
        _ = client.takeOutput()
        return (client, answer)
    }

    private func expectFailure(
        _ client: EndpointHarness, _ reason: HandshakeFailure.Reason,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(client.events == [.closed], sourceLocation: sourceLocation)
        #expect(client.handshakeFailure?.reason == reason, sourceLocation: sourceLocation)
        #expect(client.phase == .closed, sourceLocation: sourceLocation)
        #expect(client.transportRequest == .close, sourceLocation: sourceLocation)
        #expect(client.outcome?.isClean == false && client.output.isEmpty, sourceLocation: sourceLocation)
    }

    @Test("§4.1 a valid response opens the connection")
    func valid() {
        let (client, answer) = client()
        client.receive(answer.bytes)
        #expect(client.events == [.opened(HandshakeAgreement(subprotocol: nil, extensions: []))])
        client.expectOpen()
    }

    @Test("§4.1 frames that arrive with the response are read")
    func framesBehindAnswer() {
        let (client, answer) = client()
        client.receive(answer.bytes + WireFrame.text("first").bytes)
        #expect(client.events.last == .text("first"))
    }

    @Test(
        "§4.1 items 2 and 3: names and values are compared ignoring case, also in lists",
        arguments: [
            ["upgrade: WebSocket", "CONNECTION: upgrade"], ["Upgrade: WEBSOCKET", "Connection: UPGRADE"],
            ["Upgrade: websocket", "Connection: keep-alive, Upgrade"],
            ["Upgrade:websocket", "Connection: keep-alive", "Connection: upgrade"],
            ["Upgrade: \t websocket \t", "Connection: ,, upgrade ,"],
        ])
    func caseInsensitive(_ fields: [String]) {
        let (client, answer) = client()
        var bent = answer.without("Upgrade").without("Connection")
        bent.fields += fields
        client.receive(bent.bytes)
        client.expectOpen()
    }

    @Test(
        "§4.1 items 2 and 3: a missing or different Upgrade or Connection fails",
        arguments: [
            ["Connection: Upgrade"], ["Upgrade: websocket"], ["Upgrade: h2c", "Connection: Upgrade"],
            ["Upgrade: websocket", "Connection: keep-alive"], ["Upgrade: websocket, h2c", "Connection: Upgrade"],
            ["Upgrade: websockets", "Connection: Upgrade"], ["Upgrade:", "Connection: Upgrade"],
            ["Upgrade: websocket", "Upgrade: websocket", "Connection: Upgrade"],
        ])
    func notAnUpgrade(_ fields: [String]) {
        let (client, answer) = client()
        var bent = answer.without("Upgrade").without("Connection")
        bent.fields += fields
        client.receive(bent.bytes)
        expectFailure(client, .notAnUpgrade)
    }

    @Test(
        "§4.1 a failure says what is wrong with a 101: a field that is missing, different or repeated",
        arguments: [
            ("Upgrade", [], "no Upgrade field"), ("Upgrade", ["h2c"], "\"h2c\""),
            ("Upgrade", ["websocket", "websocket"], "Upgrade: websocket 2 times"),
            ("Upgrade", ["websocket, WebSocket, websocket"], "Upgrade: websocket 3 times"),
            ("Upgrade", ["websocket, h2c"], "\"h2c\""), ("Connection", [], "it has no Connection field"),
            ("Connection", ["keep-alive"], "its Connection field is \"keep-alive\""),
            ("Sec-WebSocket-Accept", [], "no Sec-WebSocket-Accept"),
            ("Sec-WebSocket-Accept", ["="], "\"=\", does not answer the key"),
            ("Sec-WebSocket-Accept", ["RIGHT", "RIGHT"], "Sec-WebSocket-Accept 2 times"),
            ("Sec-WebSocket-Accept", ["RIGHT, RIGHT"], "Sec-WebSocket-Accept 2 times"),
            ("Sec-WebSocket-Protocol", ["soap", "soap"], "a subprotocol twice (\"soap, soap\")"),
            ("Sec-WebSocket-Protocol", ["soap, wamp"], "several subprotocols (\"soap, wamp\")"),
            ("Sec-WebSocket-Protocol", ["mqtt"], "not offered, \"mqtt\" (offered: soap, wamp)"),
            ("Sec-WebSocket-Extensions", ["a", "a"], "an extension twice, \"a\""),
            ("Sec-WebSocket-Extensions", ["a, c"], "not offered, \"c\""),
            ("Upgrade", ["\u{9B}31m" + String(repeating: "x", count: 100)], "\"??31m"),
        ] as [(String, [String], String)])
    func told(_ name: String, _ values: [String], _ message: String) {
        let (client, answer) = client(
            subprotocols: ["soap", "wamp"], extensions: [WebSocketExtension(name: "a"), WebSocketExtension(name: "b")])
        let right = String(answer.fields[2].dropFirst("Sec-WebSocket-Accept: ".count))
        var bent = answer.without(name)
        bent.fields += values.map { "\(name): \($0.replacing("RIGHT", with: right))" }
        client.receive(bent.bytes)
        let told = client.handshakeFailure?.message ?? ""
        #expect(told.contains(message) && told.count < 200)
    }

    @Test(
        "§4.1 Connection may list Upgrade twice",
        arguments: [["Connection: Upgrade, upgrade"], ["Connection: Upgrade", "Connection: Upgrade"]])
    func connectionTwice(fields: [String]) {
        let (client, answer) = client()
        var bent = answer.without("Connection")
        bent.fields += fields
        client.receive(bent.bytes)
        client.expectOpen()
    }

    @Test("§4.1 item 4: a missing, wrong, repeated or malformed Sec-WebSocket-Accept fails")
    func accept() {
        let name = "Sec-WebSocket-Accept"
        let (_, answer) = client()
        let right = String(answer.fields[2].dropFirst(name.count + 2))
        let mangled: [HandshakeText] = [
            answer.without(name), answer.replacing(name, with: HandshakeText.exampleAccept),
            answer.adding("\(name): \(right)"), answer.adding("\(name): wrong"), answer.replacing(name, with: ""),
            answer.replacing(name, with: right.lowercased()), answer.replacing(name, with: right + "="),
            answer.replacing(name, with: right + ", " + right), answer.replacing(name, with: String(right.dropLast())),
        ]
        for answer in mangled {
            let (client, _) = client()
            client.receive(answer.bytes)
            expectFailure(client, .acceptMismatch)
        }
    }

    @Test("§4.1 item 4: white space around Sec-WebSocket-Accept is ignored")
    func acceptWithWhitespace() {
        let (client, answer) = client()
        let accept = answer.fields[2].dropFirst("Sec-WebSocket-Accept: ".count)
        client.receive(answer.without("Sec-WebSocket-Accept").adding("Sec-WebSocket-Accept: \t \(accept)\t ").bytes)
        client.expectOpen()
    }

    @Test(
        "§4.1 item 6: the response may name one of the offered subprotocols, or none", arguments: ["soap", "wamp", nil])
    func subprotocol(chosen: String?) {
        let (client, answer) = client(subprotocols: ["soap", "wamp"])
        client.receive((chosen.map { answer.adding("Sec-WebSocket-Protocol: \($0)") } ?? answer).bytes)
        #expect(client.events == [.opened(HandshakeAgreement(subprotocol: chosen, extensions: []))])
    }

    @Test(
        "§4.1 item 6: a response that does not name exactly one offered subprotocol fails",
        arguments: [["mqtt"], ["SOAP"], ["soap, wamp"], ["soap", "soap"], ["soap", "wamp"], [""]])
    func otherSubprotocol(_ chosen: [String]) {
        var (client, answer) = client(subprotocols: ["soap", "wamp"])
        answer.fields += chosen.map { "Sec-WebSocket-Protocol: \($0)" }
        client.receive(answer.bytes)
        expectFailure(client, .subprotocol)
    }

    @Test("§4.1 item 6: a response with a subprotocol fails if none was offered")
    func unaskedSubprotocol() {
        let (client, answer) = client()
        client.receive(answer.adding("Sec-WebSocket-Protocol: soap").bytes)
        expectFailure(client, .subprotocol)
    }

    @Test("§4.1 item 5: offered extensions are accepted with the server's parameters")
    func extensions() {
        let (client, answer) = client(extensions: [WebSocketExtension(name: "a"), WebSocketExtension(name: "b")])
        client.receive(answer.adding("Sec-WebSocket-Extensions: b; x=1").bytes)
        let chosen = WebSocketExtension(name: "b", parameters: [.init(name: "x", value: "1")])
        #expect(client.events == [.opened(HandshakeAgreement(subprotocol: nil, extensions: [chosen]))])
    }

    @Test(
        "§4.1 item 5: an extension that was not offered, is repeated or malformed fails",
        arguments: [["c"], ["a, c"], ["a, a"], ["a", "a"], ["a;"], ["a=1"], ["a; x=\"\""], ["A"], ["a b"]])
    func otherExtensions(_ chosen: [String]) {
        var (client, answer) = client(extensions: [WebSocketExtension(name: "a"), WebSocketExtension(name: "b")])
        answer.fields += chosen.map { "Sec-WebSocket-Extensions: \($0)" }
        client.receive(answer.bytes)
        expectFailure(client, .extensions)
    }

    @Test("§4.1 item 5: a response with an extension fails if none was offered")
    func unaskedExtension() {
        let (client, answer) = client()
        client.receive(answer.adding("Sec-WebSocket-Extensions: permessage-deflate").bytes)
        expectFailure(client, .extensions)
    }

    @Test(
        "RFC 9112 §4 a response that is not HTTP/1.1 fails",
        arguments: [
            "HTTP/1.0 101 Switching Protocols", "HTTP/2 101 Switching Protocols", "HTTP/1.1 10 Short",
            "HTTP/1.1 1010 Long",
            "HTTP/1.1 +10 Sign", "HTTP/1.1 abc Letters", "HTTP/1.1", "HTTP/1.1  101 Two spaces", "ICY 200 OK",
            "http/1.1 101 Lower case", "HTTP/1.1 101\u{1}Control", "HTTP/1.1 099 Low",
        ] as [EscapedText])
    func startLine(_ line: EscapedText) {
        let (client, answer) = client()
        client.receive(answer.startLine(line.text).bytes)
        expectFailure(client, .malformedResponse)
    }

    @Test("RFC 9112 §4 the reason phrase may be empty or missing", arguments: ["HTTP/1.1 101 ", "HTTP/1.1 101"])
    func noReason(_ line: String) {
        let (client, answer) = client()
        client.receive(answer.startLine(line).bytes)
        client.expectOpen()
    }
}
