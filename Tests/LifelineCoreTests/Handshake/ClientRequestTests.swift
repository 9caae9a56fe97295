import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§4.1 the client's request")
struct ClientRequestTests {
    private func handshake(
        authority: String = "server.example.com", path: String = "/chat", subprotocols: [String] = [],
        extensions: [WebSocketExtension] = [], headerFields: HTTPFields = [:]
    ) throws(HandshakeFailure) -> ClientHandshake {
        var random = RandomPool(seed: 5)
        return try ClientHandshake(
            authority: authority, path: path, subprotocols: subprotocols, extensions: extensions,
            headerFields: headerFields, random: &random)
    }

    /// The request as it goes on the wire.
    private func written(_ handshake: ClientHandshake) throws -> HTTPText {
        try HTTPText.parse(EndpointHarness(client: handshake).takeOutput()).message
    }

    @Test("§4.1 items 1 to 9: the request is a valid HTTP/1.1 GET with each field of the handshake once")
    func request() throws {
        let request = try written(try handshake(path: "/chat?room=1&x=%20"))
        #expect(request.startLine == "GET /chat?room=1&x=%20 HTTP/1.1")
        #expect(request["Host"] == "server.example.com")
        #expect(request["Upgrade"] == "websocket")
        #expect(request["Connection"] == "Upgrade")
        #expect(request["Sec-WebSocket-Version"] == "13")
        #expect(request["Sec-WebSocket-Key"].flatMap(Base64.decodedCount) == 16)
        #expect(request.fields.count == 5)
    }

    @Test(
        "§4.1 item 4: Host names the port unless it is the default",
        arguments: [
            "example.com:8080", "[2001:db8::1]:80", "127.0.0.1", "xn--e1afmkfd.example",
        ])
    func host(_ authority: String) throws {
        #expect(try written(try handshake(authority: authority))["Host"] == authority)
    }

    @Test("§4.1 item 7: each connection has a fresh key")
    func freshKey() throws {
        var random = RandomPool(seed: 5)
        let keys = try (0..<100).map { _ in
            try written(try ClientHandshake(authority: "a", path: "/", random: &random))["Sec-WebSocket-Key"]
        }
        #expect(Set(keys).count == 100)
    }

    @Test("§4.1 item 10: subprotocols are offered in order of preference")
    func subprotocols() throws {
        let request = try written(try handshake(subprotocols: ["soap", "wamp", "v12.stomp"]))
        #expect(request["Sec-WebSocket-Protocol"] == "soap, wamp, v12.stomp")
    }

    @Test("§4.1 item 11: extensions are offered with their parameters")
    func extensions() throws {
        let offers = [
            WebSocketExtension(
                name: "permessage-deflate",
                parameters: [
                    .init(name: "client_max_window_bits"), .init(name: "server_max_window_bits", value: "10"),
                ]), WebSocketExtension(name: "x-test"),
        ]
        let request = try written(try handshake(extensions: offers))
        #expect(
            request["Sec-WebSocket-Extensions"]
                == "permessage-deflate; client_max_window_bits; server_max_window_bits=10, x-test")
    }

    @Test("§4.1 item 12: the application's fields are sent")
    func ownFields() throws {
        let request = try written(
            try handshake(headerFields: [.origin: "https://example.com", .authorization: "Bearer x", .cookie: "a=b"]))
        #expect(request["Origin"] == "https://example.com")
        #expect(request["Authorization"] == "Bearer x")
        #expect(request["Cookie"] == "a=b")
    }

    @Test("§4.1 item 4: the application's Host field replaces the authority")
    func ownHost() throws {
        var fields = HTTPFields()
        fields[.hostField] = "virtual.example"
        let request = try written(try handshake(headerFields: fields))
        #expect(request["Host"] == "virtual.example")
    }

    @Test(
        "§4.1 items 2 and 4: a host that would change the request's meaning is rejected",
        arguments: [
            "", "a b", "a\r\nX: y", "a\nX: y", "a/b", "a?b", "a#b", "user@host", "host\u{0}", "hôst", "a\"b", "a\\b",
        ] as [EscapedText])
    func invalidHost(_ authority: EscapedText) {
        #expect(throws: HandshakeFailure.self) { try handshake(authority: authority.text) }
    }

    @Test(
        "§4.1 item 2: a path that would change the request's meaning is rejected",
        arguments: [
            "", "chat", "*", "/a b", "/a\r\nX-Injected: yes", "/a\n", "/a\r", "/a\u{0}", "/a\tb", "/a#fragment", "/ä",
            "http://other/", "/a HTTP/1.1\r\nHost: x", "/\u{7F}",
        ] as [EscapedText])
    func invalidPath(_ path: EscapedText) throws {
        let failure = try #require(throws: HandshakeFailure.self) { try handshake(path: path.text) }
        #expect(failure.reason == .invalidRequest)
    }

    @Test(
        "§4.1 item 10: subprotocols that are repeated or not tokens are rejected",
        arguments: [[""], ["a b"], ["a,b"], ["a\r\nX: y"], ["ä"], ["a", "a"], ["ok", ""], ["a;b"], ["\"a\""]])
    func invalidSubprotocols(_ subprotocols: [String]) throws {
        let failure = try #require(throws: HandshakeFailure.self) { try handshake(subprotocols: subprotocols) }
        #expect(failure.reason == .invalidRequest)
    }

    @Test(
        "§9.1 extensions whose names or values are not tokens are rejected",
        arguments: [
            WebSocketExtension(name: ""), WebSocketExtension(name: "a b"), WebSocketExtension(name: "a\r\nX: y"),
            WebSocketExtension(name: "a", parameters: [.init(name: "")]),
            WebSocketExtension(name: "a", parameters: [.init(name: "b", value: "")]),
            WebSocketExtension(name: "a", parameters: [.init(name: "b", value: "c;d")]),
            WebSocketExtension(name: "a", parameters: [.init(name: "b", value: "c\r\nX: y")]),
        ])
    func invalidExtension(_ offer: WebSocketExtension) throws {
        let failure = try #require(throws: HandshakeFailure.self) { try handshake(extensions: [offer]) }
        #expect(failure.reason == .invalidRequest)
    }

    @Test(
        "§4.1 the application cannot set the handshake's own fields",
        arguments: [
            "Connection", "upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Accept", "sec-websocket-version",
            "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Content-Length", "Transfer-Encoding",
        ])
    func handshakeFields(_ name: String) throws {
        let fieldName = try #require(HTTPField.Name(name))
        let failure = try #require(throws: HandshakeFailure.self) { try handshake(headerFields: [fieldName: "x"]) }
        #expect(failure.reason == .invalidRequest)
        #expect(failure.message.lowercased().contains(fieldName.canonicalName))
    }

    @Test("§4.1 line breaks in field values are never sent")
    func lineBreaksInValues() throws {
        let request = try written(try handshake(headerFields: [.cookie: "a=b\r\nX-Injected: yes"]))
        #expect(request.fields["x-injected"] == nil)
        #expect(request.fields.count == 6)
    }
}
