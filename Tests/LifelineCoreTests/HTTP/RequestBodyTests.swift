import HTTPTypes
import Testing

@testable import LifelineCore

/// The bodies of ordinary requests, and responses that are streamed, as a driver of an ``Endpoint`` sees them.
@Suite("RFC 9112 bodies of requests and responses") struct RequestBodyTests {
    static let bodies: [(fields: String, body: String)] = [
        ("Content-Length: 11", "hello, body"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n6;x=\"y\"\r\n, body\r\n0\r\nTrailer: z\r\n\r\n"),
    ]

    static func post(_ fields: String, _ body: String) -> [UInt8] {
        Array("POST /hook HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)".utf8)
    }

    /// A server that reads the body of each request and then answers with 204.
    static func reader() -> EndpointHarness {
        let server = EndpointHarness()
        server.answering = .byHand
        return server
    }

    static func answer(_ server: EndpointHarness, _ event: RecordedEvent) {
        switch event {
        case .request:
            server.endpoint.readRequestBody()
            if !server.endpoint.hasUnreadRequestBody { respond(server) }
        case .requestBodyEnd: respond(server)
        default: break
        }
    }

    static func respond(_ server: EndpointHarness) {
        server.endpoint.respond(HTTPResponse(status: .noContent), body: [], at: server.now)
    }

    static func body(_ events: [RecordedEvent]) -> String {
        let bytes = events.flatMap { event -> [UInt8] in if case .requestBody(let bytes) = event { bytes } else { [] } }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("A body is the same wherever it is split, and the next request follows it", arguments: bodies)
    func splits(fields: String, body: String) {
        let bytes = Self.post(fields, body) + Self.post("Content-Length: 0", "")
        for split in 0...bytes.count {
            let server = Self.reader()
            for part in [Array(bytes[..<split]), Array(bytes[split...])] {
                server.receive(part) { Self.answer(server, $0) }
            }
            #expect(Self.body(server.events) == "hello, body", "split at \(split)")
            #expect(server.events.count { $0.isRequest } == 2 && server.phase == .opening)
        }
    }

    @Test("Nothing of a body is read before the driver asks for it, and nothing while it pauses")
    func pulling() {
        let server = Self.reader()
        server.receive(Self.post("Content-Length: 11", "hello"))
        #expect(server.events.count == 1 && Array("hello".utf8) == server.unread)
        let request = server.endpoint.request
        #expect(request?.bodyLength == 11 && request?.hasBody == true)
        server.endpoint.readRequestBody()
        server.receive(Array(", ".utf8))
        #expect(Self.body(server.events) == "hello, ")
        server.endpoint.pauseRequestBody()
        server.receive(Array("body".utf8))
        #expect(Self.body(server.events) == "hello, ")
        server.endpoint.readRequestBody()
        server.receive([])
        #expect(Self.body(server.events) == "hello, body" && server.events.last == .requestBodyEnd)
    }

    @Test("RFC 9110 §10.1.1 100 Continue is sent once, when the body is read, and never to HTTP/1.0")
    func expectContinue() {
        let server = Self.reader()
        server.receive(Self.post("Content-Length: 2\r\nExpect: 100-Continue", ""))
        #expect(server.takeOutput() == [])
        server.endpoint.readRequestBody()
        server.endpoint.readRequestBody()
        server.receive([])
        #expect(String(decoding: server.takeOutput(), as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
        let old = Self.reader()
        old.receive(Array("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n".utf8))
        old.endpoint.readRequestBody()
        old.receive([])
        #expect(old.takeOutput() == [])
    }

    @Test("A body that nobody reads is skipped up to 64 KiB", arguments: [0, 1000, 65_536, 70_000])
    func skipping(count: Int) {
        let server = Self.reader()
        server.receive(Self.post("Content-Length: \(count)", "")) { event in
            if event.isRequest { Self.respond(server) }
        }
        for start in stride(from: 0, to: count, by: 1000) {
            server.receive(Array(repeating: 7, count: min(1000, count - start)))
        }
        server.receive(Self.post("Content-Length: 0", "")) { event in
            if event.isRequest { Self.respond(server) }
        }
        #expect(server.events.count { $0.isRequest } == (count > 65_536 + 1000 ? 1 : 2))
        #expect((server.phase == .closed) == (count > 65_536 + 1000))
    }

    @Test("An opening handshake with a body is refused")
    func anOpeningWithABody() {
        let server = EndpointHarness()
        var request = HandshakeText.request("/")
        request.fields.append("Content-Length: 1")
        server.receive(request.bytes)
        #expect(server.refusal?.status == .contentTooLarge)
    }

    @Test("A request that is not answered within requestTimeout gets 503, and 408 while its body is read")
    func timeouts() {
        for (reads, status) in [(false, 503), (true, 408)] {
            let server = Self.reader()
            server.receive(Self.post("Content-Length: 2", "x"))
            if reads { server.endpoint.readRequestBody() }
            server.receive([])
            server.advance(by: .seconds(29))
            #expect(server.phase == .opening)
            server.advance(by: .seconds(2))
            #expect(server.refusal?.status.code == status && server.phase == .ending)
        }
    }

    @Test("A streamed response has no deadline, ends with its last chunk, and must keep its Content-Length")
    func streaming() {
        let server = Self.reader()
        server.receive(Self.post("Content-Length: 0", ""))
        let hasBegun = server.endpoint.beginResponse(HTTPResponse(status: .ok), at: server.now)
        #expect(hasBegun)
        #expect(server.deadline == nil)
        server.advance(by: .seconds(3600))
        let written = Array("piece".utf8).withUnsafeBytes { server.endpoint.writeResponseBody($0) }
        #expect(written)
        server.endpoint.endResponse(at: server.now)
        server.receive(Self.post("Content-Length: 0", ""))
        let text = String(decoding: server.takeOutput(), as: UTF8.self)
        #expect(text.hasSuffix("\r\nTransfer-Encoding: chunked\r\n\r\n5\r\npiece\r\n0\r\n\r\n"), "\(text)")
        #expect(server.events.count { $0.isRequest } == 2)
        let response = HTTPResponse(status: .ok, headerFields: [.contentLength: "3"])
        let hasBegunAgain = server.endpoint.beginResponse(response, at: server.now)
        #expect(hasBegunAgain)
        let tooMuch = Array("four".utf8).withUnsafeBytes { server.endpoint.writeResponseBody($0) }
        #expect(!tooMuch)
        server.endpoint.endResponse(at: server.now)
        #expect(server.transportRequest == .abort)
    }

    @Test("A strict reader of chunks accepts what the grammar allows, and nothing else, however it is split")
    func strictChunks() {
        let good = ["0\r\n\r\n", "1\r\na\r\n0\r\n\r\n", "1 \t;a=b\r\na\r\n00\r\nX: y\r\n\r\n", "aBc;\"\"\r\n"]
        let bad = [
            "1\na\r\n", "1\r\na\n", "1\r\nab", "1\r\r\n", "1x\r\n", "\r\n", " 1\r\n", "1;\u{0}\r\n", "0\r\n\n",
            "0\r\nX\n",
            "0\r\n\rX", "7fffffffffffffff1\r\n",
        ]
        for (texts, isGood) in [(good, true), (bad, false)] {
            for text in texts {
                for size in 1...text.utf8.count {
                    var body = HTTPChunkedBody(isStrict: true)
                    var isAccepted = true
                    var rest = Array(text.utf8)[...]
                    while isAccepted, !rest.isEmpty, !body.isComplete {
                        let count = Array(rest.prefix(size)).withUnsafeBytes { body.read($0) }
                        isAccepted = count != nil
                        rest = rest.dropFirst(count ?? 0)
                    }
                    #expect(isAccepted == isGood, "\(text.debugDescription) in pieces of \(size)")
                }
            }
        }
    }
}
