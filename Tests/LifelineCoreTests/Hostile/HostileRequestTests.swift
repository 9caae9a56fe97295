import HTTPTypes
import Testing

@testable import LifelineCore

/// A first message to a server, and what must become of it.
struct HostileRequest: Sendable, CustomTestStringConvertible {
    enum End: Hashable, Sendable {
        /// Answered with this status; 101 opens the connection.
        case answered(Int)
        /// Closed without an answer.
        case closed
        /// Still waiting for more, until the handshake's deadline.
        case timedOut
    }

    var testDescription: String
    var bytes: [UInt8]
    var end: End

    init(_ description: String, _ text: String, _ end: End) {
        self.init(description, Array(text.utf8), end)
    }

    init(_ description: String, _ bytes: [UInt8], _ end: End) {
        testDescription = description
        self.bytes = bytes
        self.end = end
    }

    private static func bent(_ description: String, _ request: HandshakeText, _ end: End) -> HostileRequest {
        HostileRequest(description, request.bytes, end)
    }

    private static let request = HandshakeText.request

    private static func long(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    static let all: [HostileRequest] = [
        .init("nothing at all", "", .timedOut),
        .init("a single byte", "G", .timedOut),
        .init("a request without its end", String(request.text.dropLast(1)), .timedOut),
        bent(
            "10,000 header fields",
            HandshakeText(startLine: "GET / HTTP/1.1", fields: (0..<10_000).map { "X\($0): y" }), .answered(431)),
        bent("one header field of 64 KiB", request.adding("X: " + long("y", 64 << 10)), .answered(431)),
        bent("a path of 64 KiB", request.startLine("GET /\(long("a", 64 << 10)) HTTP/1.1"), .answered(431)),
        .init("64 KiB without a line break", long("A", 64 << 10), .answered(431)),
        bent("POST", request.startLine("POST /chat HTTP/1.1"), .answered(405)),
        bent("no Host", request.without("Host"), .answered(400)),
        bent("two Hosts", request.adding("Host: other"), .answered(400)),
        bent("no Upgrade", request.without("Upgrade"), .answered(426)),
        bent("another Upgrade", request.replacing("Upgrade", with: "h2c"), .answered(426)),
        bent("no Connection", request.without("Connection"), .answered(400)),
        bent(
            "Connection: keep-alive, Upgrade, which is valid",
            request.replacing("Connection", with: "keep-alive, Upgrade"), .answered(101)),
        bent("no version", request.without("Sec-WebSocket-Version"), .answered(426)),
        bent("version 8", request.replacing("Sec-WebSocket-Version", with: "8"), .answered(426)),
        bent("no key", request.without("Sec-WebSocket-Key"), .answered(400)),
        bent("two keys", request.adding("Sec-WebSocket-Key: \(HandshakeText.exampleKey)"), .answered(400)),
        bent(
            "a key of fifteen bytes", request.replacing("Sec-WebSocket-Key", with: "dGhlIHNhbXBsZSBub25j"),
            .answered(400)),
        bent(
            "a subprotocol of 10,000 commas", request.adding("Sec-WebSocket-Protocol: " + long(",", 10_000)),
            .answered(400)),
        bent(
            "10,000 subprotocols", request.adding("Sec-WebSocket-Protocol: " + long("a,", 7_000) + "b"), .answered(400)),
        bent(
            "extensions of 10,000 commas", request.adding("Sec-WebSocket-Extensions: " + long(",", 10_000)),
            .answered(400)),
        bent(
            "an unbalanced quote", request.adding("Sec-WebSocket-Extensions: a; b=\"" + long("\\\"", 5_000)),
            .answered(400)),
        bent(
            "5,000 nested parameters", request.adding("Sec-WebSocket-Extensions: a" + long(";b", 5_000)), .answered(400)
        ),
        bent(
            "a body", HandshakeText(startLine: request.startLine, fields: request.fields + ["Content-Length: 3"]),
            .answered(413)),
        bent("Transfer-Encoding", request.adding("Transfer-Encoding: chunked"), .answered(413)),
        bent(
            "Transfer-Encoding with Content-Length", request.adding("Transfer-Encoding: chunked", "Content-Length: 3"),
            .answered(400)),
        bent("a line break in the path", request.startLine("GET /a\nb HTTP/1.1"), .answered(400)),
        bent("a folded line", request.adding("X: a", "  b"), .answered(400)),
        bent("white space before a colon", request.adding("X : a"), .answered(400)),
        bent("a zero byte", request.adding("X: a\u{0}b"), .answered(400)),
        .init("a TLS ClientHello", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03], .closed),
        .init("an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .closed),
        .init("WebSocket frames without a handshake", WireFrame.text("hello").bytes(from: .client), .closed),
        .init("an SSH client", "SSH-2.0-OpenSSH_9.6\r\n", .timedOut),
        .init("an empty line", "\r\n", .timedOut),
        .init("an empty line before the request", "\r\n" + request.text, .answered(101)),
        .init("eight empty lines before the request", long("\r\n", 8) + request.text, .answered(101)),
        .init("nine empty lines before the request", long("\r\n", 9) + request.text, .closed),
        .init("a carriage return alone before the request", "\r" + request.text, .closed),
        .init("a line feed alone before the request", "\n" + request.text, .closed),
        .init("a space before the request", " " + request.text, .closed),
        .init("empty lines without an end", long("\r\n", 100_000), .closed),
    ]
}

@Suite("Hostile input: the opening handshake of a server")
struct HostileRequestTests {
    private func check(
        _ server: EndpointHarness, _ request: HostileRequest, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let output = server.output
        switch request.end {
        case .answered(let status):
            #expect(server.takeMessage(sourceLocation: sourceLocation).status == status, sourceLocation: sourceLocation)
            #expect((server.phase == .open) == (status == 101), sourceLocation: sourceLocation)
        case .closed:
            #expect(server.phase == .closed && output.isEmpty, sourceLocation: sourceLocation)
            #expect(server.transportRequest == .close, sourceLocation: sourceLocation)
        case .timedOut:
            #expect(server.phase == .opening && output.isEmpty, sourceLocation: sourceLocation)
        }
        guard request.end != .answered(101) else { return }
        // Whatever it was: nothing is kept for longer than its deadline.
        server.advance(by: .seconds(20))
        #expect(server.phase == .closed && server.outcome?.isClean == false, sourceLocation: sourceLocation)
    }

    @Test("A server survives hostile requests, and names the violation", arguments: HostileRequest.all)
    func survives(_ request: HostileRequest) {
        let server = EndpointHarness(server: .server)
        server.receive(request.bytes)
        check(server, request)
    }

    @Test("A server survives hostile requests that arrive byte by byte", arguments: HostileRequest.all)
    func survivesByteByByte(_ request: HostileRequest) {
        let server = EndpointHarness(server: .server)
        for byte in request.bytes {
            server.receive([byte])
            // No more than the limit is kept, however much comes.
            let kept = server.endpoint.handshake?.head.count ?? 0
            if kept > 16 << 10 { Issue.record("\(kept) bytes kept") }
        }
        check(server, request)
    }

    @Test("A server that receives one byte a second ends at the handshake's deadline")
    func slowloris() {
        let server = EndpointHarness(server: .server)
        for byte in HandshakeText.request.bytes.prefix(60) {
            server.receive([byte])
            server.advance(by: .seconds(1))
        }
        #expect(server.phase == .closed)
        #expect(server.outcome?.failure == .handshakeTimedOut(after: .seconds(10)))
    }

    @Test("A server answers endless plain requests without keeping any")
    func endlessRequests() {
        let server = EndpointHarness(server: .server)
        for _ in 0..<500 {
            server.receive(HandshakeText.plainRequest.bytes)
            #expect(server.takeMessage().status == 200)
        }
        #expect(server.phase == .opening && server.unread.isEmpty)
        server.receive(HandshakeText.request.bytes)
        #expect(server.takeMessage().status == 101)
    }

    @Test("A cross-site page is refused with 403 unless the policy allows it")
    func crossSite() throws {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.adding("Origin: https://evil.example", "Cookie: session=1").bytes)
        let handshake = try ServerHandshake(try #require(server.request))
        let refusal = #expect(throws: HandshakeRefusal.self) { try handshake.check(.sameOrigin) }
        server.endpoint.refuse(try #require(refusal), at: server.now)
        server.drain()
        #expect(server.takeMessage().status == 403)
        #expect(throws: Never.self) { try handshake.check(.oneOf(["https://evil.example"])) }
        #expect(throws: Never.self) { try handshake.check(.any) }
    }

    @Test("Frames sent before the 101 are read after it, in order")
    func earlyFrames() {
        let frames = (0..<100).map { WireFrame.text("early \($0)") }
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.bytes + frames.bytes(from: .client))
        #expect(server.takeEvents().count == 1 && server.output.isEmpty)
        server.answerByTheRules()
        server.receive([])
        #expect(server.events == (0..<100).map { .text("early \($0)") })
    }
}
