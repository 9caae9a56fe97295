import HTTPTypes
import Testing

@testable import LifelineCore

/// A server's answer to a client that offered the subprotocol `chat` and the extension `x-offered`.
struct HostileAnswer: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: [UInt8]
    /// What the client's error is, or `nil` where it waits on, until the handshake's deadline.
    var reason: HandshakeFailure.Reason?

    init(_ description: String, _ text: String, _ reason: HandshakeFailure.Reason?) {
        testDescription = description
        bytes = Array(text.utf8)
        self.reason = reason
    }

    private init(_ description: String, _ answer: HandshakeText, _ reason: HandshakeFailure.Reason?) {
        self.init(description, answer.text, reason)
    }

    static func client() -> EndpointHarness {
        .client(subprotocols: ["chat"], extensions: [WebSocketExtension(name: "x-offered")])
    }

    private static func status(_ status: String, _ fields: String..., body: String = "") -> String {
        HandshakeText(startLine: "HTTP/1.1 \(status)", fields: fields).text + body
    }

    static let all: [HostileAnswer] = {
        let answer = client().answerToRequest
        let accept = "Sec-WebSocket-Accept"
        let long = String(repeating: "y", count: 64 << 10)
        return [
            .init("nothing at all", "", nil),
            .init("101 without an accept", answer.without(accept), .acceptMismatch),
            .init(
                "101 with another accept", answer.replacing(accept, with: HandshakeText.exampleAccept), .acceptMismatch),
            .init("101 with two accepts", answer.adding(answer.fields[2]), .acceptMismatch),
            .init("101 without Upgrade", answer.without("Upgrade"), .notAnUpgrade),
            .init("101 with another extension", answer.adding("Sec-WebSocket-Extensions: x-other"), .extensions),
            .init(
                "101 with an offered extension twice", answer.adding("Sec-WebSocket-Extensions: x-offered, x-offered"),
                .extensions),
            .init(
                "101 with 10,000 extensions",
                answer.adding("Sec-WebSocket-Extensions: " + String(repeating: "x-offered,", count: 1500)), .extensions),
            .init(
                "101 with an unbalanced quote", answer.adding("Sec-WebSocket-Extensions: x-offered; a=\""), .extensions),
            .init("101 with another subprotocol", answer.adding("Sec-WebSocket-Protocol: other"), .subprotocol),
            .init("101 of HTTP/1.0", answer.startLine("HTTP/1.0 101 Switching Protocols"), .malformedResponse),
            .init("101 with a folded line", answer.adding("X: a", " b"), .malformedResponse),
            .init(
                "101 with bare line feeds", answer.text.split(separator: "\r\n").joined(separator: "\n") + "\n\n",
                .malformedResponse),
            .init("101 with a field of 64 KiB", answer.adding("X: " + long), .malformedResponse),
            .init("200 with a body", status("200 OK", "Content-Length: 5", body: "hello"), .refused),
            .init("200 with an endless body", status("200 OK", body: long), .refused),
            .init("302 to elsewhere", status("302 Found", "Location: ws://other/", "Content-Length: 0"), .refused),
            .init(
                "401 with a challenge", status("401 Unauthorized", "WWW-Authenticate: Basic", "Content-Length: 0"),
                .refused),
            .init("407 with a challenge", status("407 Proxy Authentication Required", "Content-Length: 0"), .refused),
            .init("426", status("426 Upgrade Required", "Sec-WebSocket-Version: 14", "Content-Length: 0"), .refused),
            .init("503 with a body that never comes", status("503 Busy", "Content-Length: 100"), .refused),
            .init(
                "500 with chunks that never end",
                status("500 Oops", "Transfer-Encoding: chunked", body: "5\r\nhello\r\n"), .refused),
            .init(
                "endless interim answers", String(repeating: status("100 Continue"), count: 1000), .malformedResponse),
            .init("another protocol", "220 smtp.example ESMTP\r\n", nil),
            .init("binary noise", "\u{1}\u{2}\u{3}", .malformedResponse),
            .init("a status line without an end", "HTTP/1.1 101 " + long, .malformedResponse),
        ]
    }()
}

@Suite("Hostile input: the opening handshake of a client")
struct HostileAnswerTests {
    private func check(
        _ client: EndpointHarness, _ answer: HostileAnswer, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        client.advance(by: .seconds(10))
        #expect(client.phase == .closed, sourceLocation: sourceLocation)
        #expect(client.handshakeFailure?.reason == answer.reason, sourceLocation: sourceLocation)
        #expect((client.handshakeFailure?.body.count ?? 0) <= 1024, sourceLocation: sourceLocation)
        #expect(client.outcome?.isClean == false, sourceLocation: sourceLocation)
        #expect([.close, .abort].contains(client.transportRequest), sourceLocation: sourceLocation)
        if answer.reason == .refused {
            #expect(client.handshakeFailure?.response != nil, sourceLocation: sourceLocation)
        } else if answer.reason == nil {
            #expect(client.outcome?.failure == .handshakeTimedOut(after: .seconds(10)), sourceLocation: sourceLocation)
        }
    }

    @Test("A client survives hostile responses, and names the violation", arguments: HostileAnswer.all)
    func survives(_ answer: HostileAnswer) {
        let client = HostileAnswer.client()
        client.receive(answer.bytes)
        check(client, answer)
    }

    @Test("A client survives hostile responses that arrive byte by byte", arguments: HostileAnswer.all)
    func survivesByteByByte(_ answer: HostileAnswer) {
        let client = HostileAnswer.client()
        for byte in answer.bytes where client.phase == .opening { client.receive([byte]) }
        check(client, answer)
    }

    @Test("A client that receives one byte a second ends at the handshake's deadline")
    func slowServer() {
        let client = HostileAnswer.client()
        for byte in client.answerToRequest.bytes.prefix(60) {
            client.receive([byte])
            client.advance(by: .seconds(1))
        }
        #expect(client.outcome?.failure == .handshakeTimedOut(after: .seconds(10)))
    }

    @Test(
        "A client's caller cannot smuggle in a second request",
        arguments: [
            "/\r\nHost: other", "/ HTTP/1.1\r\nX: y", "/a b", "/\n", "/\u{0}",
        ] as [EscapedText])
    func injection(_ text: EscapedText) {
        var random = RandomPool(seed: 1)
        #expect(throws: HandshakeFailure.self) {
            try ClientHandshake(authority: "a", path: text.text, random: &random)
        }
        #expect(throws: HandshakeFailure.self) {
            try ClientHandshake(authority: text.text, path: "/", random: &random)
        }
        #expect(throws: HandshakeFailure.self) {
            try ClientHandshake(authority: "a", path: "/", subprotocols: [text.text], random: &random)
        }
    }
}
