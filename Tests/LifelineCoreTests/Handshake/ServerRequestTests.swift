import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§4.2.1 how a server validates the client's request")
struct ServerRequestTests {
    /// The answer to a request, and the server that gave it.
    private func answer(_ request: HandshakeText) -> (HTTPText, EndpointHarness) {
        let server = EndpointHarness(server: .server)
        server.receive(request.bytes)
        return (server.takeMessage(), server)
    }

    private func refusal(_ request: HandshakeText) -> HandshakeRefusal? {
        let (_, server) = answer(request)
        guard server.phase != .open, case .request(let parsed)? = server.events.first else {
            return server.refusal
        }
        do throws(HandshakeRefusal) {
            _ = try ServerHandshake(parsed)
            return nil
        } catch {
            return error
        }
    }

    @Test("§4.2.1 a valid request is accepted")
    func valid() {
        let (answer, server) = answer(.request)
        #expect(answer.status == 101)
        server.expectOpen()
        #expect(server.events.count == 1)
    }

    @Test(
        "§4.2.1 items 3 and 4: names and values are compared ignoring case, also in lists",
        arguments: [
            ["upgrade: WebSocket", "CONNECTION: upgrade"], ["Upgrade: websocket", "Connection: keep-alive, Upgrade"],
            ["Upgrade: websocket", "Connection: Upgrade,Keep-Alive"],
            ["Upgrade: h2c, websocket", "Connection: Upgrade"],
            ["Upgrade: h2c", "Upgrade: websocket", "Connection: upgrade"], ["Upgrade:websocket", "Connection:Upgrade"],
            ["Upgrade: \t websocket\t", "Connection: ,\t, Upgrade ,"],
            ["Upgrade: websocket", "Connection: keep-alive", "Connection: Upgrade"],
        ])
    func validUpgrades(_ fields: [String]) {
        var request = HandshakeText.request.without("Upgrade").without("Connection")
        request.fields += fields
        answer(request).1.expectOpen()
    }

    @Test(
        "§4.2.1 item 1: a method other than GET gets 405, which names the allowed one",
        arguments: [
            "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "CONNECT2",
        ])
    func method(_ method: String) {
        let (answer, _) = answer(HandshakeText.request.startLine("\(method) /chat HTTP/1.1"))
        #expect(answer.status == 405)
        #expect(answer["Allow"] == "GET")
    }

    @Test(
        "§4.2.1 item 3: a missing or different Upgrade gets 426, which names the required one",
        arguments: [nil, "h2c", "websockets", "", "web socket"])
    func upgrade(_ value: String?) {
        let request = HandshakeText.request
        let (answer, _) = answer(value.map { request.replacing("Upgrade", with: $0) } ?? request.without("Upgrade"))
        #expect(answer.status == 426)
        #expect(answer["Upgrade"] == "websocket")
        #expect(answer["Connection"] == "Upgrade")
    }

    @Test(
        "§4.2.1 item 4: a missing or different Connection gets 400",
        arguments: [nil, "keep-alive", "", "Upgraded", "close"])
    func connection(_ value: String?) {
        let request = HandshakeText.request
        let bent = value.map { request.replacing("Connection", with: $0) } ?? request.without("Connection")
        #expect(answer(bent).0.status == 400)
        #expect(refusal(bent)?.reason == .notAnUpgrade)
    }

    @Test(
        "§4.2.1 item 5: a key that is missing or not sixteen bytes of base64 gets 400",
        arguments: [
            nil, "", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j", "AAAA",
            "dGhlIHNhbXBsZSBub25jZSE=", "dGhl IHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ_==", "0123456789abcdef",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        ])
    func key(_ key: String?) {
        let request = HandshakeText.request
        let name = "Sec-WebSocket-Key"
        let bent = key.map { request.replacing(name, with: $0) } ?? request.without(name)
        #expect(answer(bent).0.status == 400)
        #expect(refusal(bent)?.reason == .key)
    }

    @Test(
        "§4.2.1 item 5: a repeated key gets 400, even if equal",
        arguments: [HandshakeText.exampleKey, "AAAAAAAAAAAAAAAAAAAAAA=="])
    func twoKeys(second: String) {
        let bent = HandshakeText.request.adding("Sec-WebSocket-Key: \(second)")
        #expect(answer(bent).0.status == 400)
        #expect(refusal(bent)?.reason == .key)
    }

    @Test(
        "§4.2.1 a refusal says what is wrong: a field that is missing, different or repeated",
        arguments: [
            ("Sec-WebSocket-Key", [], "the request has no Sec-WebSocket-Key"),
            ("Sec-WebSocket-Key", ["KEY", "KEY"], "the request has Sec-WebSocket-Key 2 times"),
            ("Sec-WebSocket-Key", ["KEY, KEY, KEY"], "the request has Sec-WebSocket-Key 3 times"),
            ("Sec-WebSocket-Key", ["AAAA"], "is not sixteen bytes"),
            ("Sec-WebSocket-Version", [], "the request has no Sec-WebSocket-Version"),
            ("Sec-WebSocket-Version", ["13", "13"], "the request has Sec-WebSocket-Version 2 times"),
            ("Sec-WebSocket-Version", ["8"], "Sec-WebSocket-Version is \"8\""),
            ("Sec-WebSocket-Protocol", ["a, b, a"], "\"a\" is offered twice"),
            ("Host", [], "no Host header field"), ("Host", ["a", "a"], "2 Host header fields"),
            ("Host", ["a b"], "a malformed Host header field"),
        ] as [(String, [String], String)])
    func told(_ name: String, _ values: [String], _ message: String) {
        var request = HandshakeText.request.without(name)
        request.fields += values.map { "\(name): \($0.replacing("KEY", with: HandshakeText.exampleKey))" }
        #expect(answer(request).0.body.contains(message))
    }

    @Test(
        "RFC 9112 §2.2 empty lines before each request are ignored, however they are split"
    )
    func emptyLines() {
        let bytes =
            Array("\r\n".utf8) + HandshakeText.plainRequest.bytes + Array("\r\n\r\n".utf8)
            + HandshakeText.plainRequest.bytes + Array(repeating: [0x0D, 0x0A], count: 8).flatMap { $0 }
            + HandshakeText.request.bytes + WireFrame.text("early").bytes(from: .client)
        for split in 0...bytes.count {
            let server = EndpointHarness(server: .server)
            server.receive(bytes, splitAt: [split])
            if server.takeEvents().last != .text("early") { Issue.record("split at \(split)") }
            let statuses = (0..<3).map { _ in server.takeMessage().status }
            #expect(statuses == [200, 200, 101])
        }
        let server = EndpointHarness(server: .server)
        server.receiveByteByByte(bytes)
        #expect(server.events.last == .text("early"))
    }

    @Test("RFC 9112 §2.2 empty lines do not count towards the limit on the head")
    func emptyLinesBeforeALongHead() {
        var configuration = EndpointConfiguration.server
        configuration.maximumHeadSize = HandshakeText.request.bytes.count
        let server = EndpointHarness(server: configuration)
        server.receive(Array("\r\n\r\n".utf8) + HandshakeText.request.bytes)
        #expect(server.takeMessage().status == 101)
    }

    @Test("§4.2.1 item 8: subprotocols keep the client's order across fields")
    func subprotocols() throws {
        let (_, server) = answer(
            .request.adding("Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol:\twamp\t"))
        guard case .request(let request)? = server.events.first else {
            Issue.record("no request")
            return
        }
        #expect(try ServerHandshake(request).subprotocols == ["chat", "superchat", "wamp"])
    }

    @Test(
        "§4.2.1 item 8: subprotocols that are repeated or not tokens get 400",
        arguments: ["", ",", "a,", ",a", "a,,b", "a b", "a;b", "\"a\"", "a, a", "ä", "a/b"])
    func invalidSubprotocols(_ value: String) {
        let bent = HandshakeText.request.adding("Sec-WebSocket-Protocol: \(value)")
        #expect(answer(bent).0.status == 400)
        #expect(refusal(bent)?.reason == .malformedOffer)
    }

    @Test(
        "§4.2.1 item 9: extensions that break the grammar get 400",
        arguments: [
            "a;", "a=1", ";", "a; =1", "a b", "a; b=\"", "a; b=\"c d\"", "a,;b", "a; b=c d", "ä",
        ])
    func invalidExtensions(_ value: String) {
        let bent = HandshakeText.request.adding("Sec-WebSocket-Extensions: \(value)")
        #expect(answer(bent).0.status == 400)
        #expect(refusal(bent)?.reason == .malformedOffer)
    }

    @Test("§4.2.1 item 10: other fields, known or not, are passed on")
    func otherFields() {
        let (_, server) = answer(.request.adding("Cookie: a=b", "X-Unknown: y", "X-Unknown: z"))
        guard case .request(let request)? = server.events.first else {
            Issue.record("no request")
            return
        }
        #expect(request.headerFields[.cookie] == "a=b")
        #expect(request.headerFields.filter { $0.name.canonicalName == "x-unknown" }.map(\.value) == ["y", "z"])
        #expect(request.authority == "server.example.com")
        #expect(request.path == "/chat")
    }

    @Test("§4.2.1 item 1: the path excludes the query")
    func path() throws {
        let (_, server) = answer(.request.startLine("GET /chat/room?name=1?2 HTTP/1.1"))
        guard case .request(let request)? = server.events.first else {
            Issue.record("no request")
            return
        }
        let handshake = try ServerHandshake(request)
        #expect(handshake.path == "/chat/room")
        #expect(handshake.request.path == "/chat/room?name=1?2")
    }

    @Test("§4.2.1 a request that names websocket is a handshake; all others are ordinary HTTP")
    func isOpening() throws {
        func isOpening(_ text: HandshakeText) -> Bool {
            let server = EndpointHarness(server: .server)
            server.answering = .byHand
            server.receive(text.bytes)
            return server.request.map(ServerHandshake.isOpening) ?? false
        }
        #expect(isOpening(.request))
        #expect(isOpening(.request.without("Sec-WebSocket-Key").without("Sec-WebSocket-Version")))
        #expect(isOpening(.plainRequest.adding("Sec-WebSocket-Key: x")))
        #expect(isOpening(.plainRequest.adding("Sec-WebSocket-Version: 8")))
        #expect(!isOpening(.plainRequest))
        #expect(!isOpening(.plainRequest.adding("Upgrade: h2c", "Connection: Upgrade")))
    }
}
