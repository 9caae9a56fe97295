import HTTPTypes
import Testing

@testable import LifelineCore

/// A lenient reader and a strict one disagree on where a request ends, and smuggling lives on the difference.
@Suite("RFC 9112 the head is read strictly")
struct HTTPHeadTests {
    /// The status of the answer to some bytes, or `nil` where the connection was closed without one.
    private func status(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) -> Int? {
        let server = EndpointHarness(server: .server)
        server.receive(bytes)
        let answer = server.output.isEmpty ? nil : server.takeMessage(sourceLocation: sourceLocation)
        #expect(server.phase != .open || answer?.status == 101, sourceLocation: sourceLocation)
        return answer?.status
    }

    private func status(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) -> Int? {
        status(Array(text.utf8), sourceLocation: sourceLocation)
    }

    /// Checks that a request is refused, and that the connection ends: nobody knows where the next request begins.
    private func expectRefused(
        _ text: String, with status: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let server = EndpointHarness(server: .server)
        server.receive(Array(text.utf8))
        #expect(server.events.last == .closed, sourceLocation: sourceLocation)
        #expect(server.phase == .ending, sourceLocation: sourceLocation)
        #expect(server.transportRequest == .shutdownOutput, sourceLocation: sourceLocation)
        #expect(server.refusal?.status.code == status, sourceLocation: sourceLocation)
        let answer = server.takeMessage(sourceLocation: sourceLocation)
        #expect(answer.status == status, sourceLocation: sourceLocation)
        #expect(answer["Connection"] == "close", sourceLocation: sourceLocation)
        #expect(server.output.isEmpty, sourceLocation: sourceLocation)
        // A second request, smuggled in behind the first, is not read.
        server.receive(HandshakeText.request.bytes)
        #expect(server.output.isEmpty && server.phase == .ending, sourceLocation: sourceLocation)
    }

    @Test("RFC 9112 §2.2 a bare CR or LF gets 400")
    func bareLineBreaks() {
        let valid = HandshakeText.request.text
        expectRefused(valid.replacingFirst("\r\n", with: "\n"), with: 400)
        expectRefused(valid.replacingFirst("\r\n", with: "\r"), with: 400)
        expectRefused(valid.replacingFirst("Upgrade: websocket\r\n", with: "Upgrade: websocket\n"), with: 400)
        expectRefused(valid.replacingFirst("Upgrade: websocket\r\n", with: "Upgrade: websocket\r"), with: 400)
        expectRefused(valid.replacingFirst("Upgrade: websocket", with: "Upgrade: web\rsocket"), with: 400)
        expectRefused(valid.replacingFirst("Upgrade: websocket", with: "Upgrade: web\nsocket"), with: 400)
        expectRefused(String(valid.dropLast(1)) + "\n", with: 400)
        expectRefused(valid.replacingFirst("\r\n\r\n", with: "\r\n\n"), with: 400)
        expectRefused(valid.replacingFirst("\r\n\r\n", with: "\r\n\r\r\n"), with: 400)
        expectRefused(valid.replacingFirst("\r\n\r\n", with: "\r\n\rX-Hidden: y\r\n\r\n"), with: 400)
        expectRefused(valid.replacingFirst("\r\n", with: "\r\r\n"), with: 400)
        expectRefused(valid.replacingFirst("\r\n", with: "\n\r\n"), with: 400)
    }

    @Test("RFC 9112 §5.2 a folded line gets 400")
    func folding() {
        for space in [" ", "\t", "   "] {
            expectRefused(HandshakeText.request.adding("X-Folded: one", "\(space)two").text, with: 400)
        }
        var folded = HandshakeText.request
        folded.fields.insert(" X-First: folded onto the request line", at: 0)
        expectRefused(folded.text, with: 400)
    }

    @Test(
        "RFC 9112 §5.1 white space before the colon gets 400",
        arguments: ["X-Field : value", "X-Field\t: value", " : value", "X Field: value"])
    func whitespaceBeforeColon(line: String) {
        expectRefused(HandshakeText.request.adding(line).text, with: 400)
    }

    @Test(
        "RFC 9110 §5.1 a line without a name or without a colon gets 400",
        arguments: [
            ": value", "no colon", "X(Field): value", "X\"Field: value", "Ünicode: value", "X@Y: value", "\u{0}: x",
        ])
    func malformedLines(line: String) {
        expectRefused(HandshakeText.request.adding(line).text, with: 400)
    }

    @Test("RFC 9110 §5.5 control characters in a value get 400; other bytes are allowed")
    func controlCharacters() {
        for byte in UInt8.min...UInt8.max {
            var bytes = Array(HandshakeText.request.text.dropLast(1).utf8)
            bytes += Array("X-Byte: a".utf8) + [byte] + Array("z\r\n\r\n".utf8)
            let isAllowed = byte == 0x09 || (byte >= 0x20 && byte != 0x7F)
            #expect(status(bytes) == (isAllowed ? 101 : 400), "byte \(byte)")
        }
    }

    @Test("RFC 9110 §5.5 white space around a value is trimmed; empty values are allowed")
    func whitespaceAroundValue() {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.adding("X-A:\t  padded \t ", "X-B:", "X-C: \t ", "X-D:a:b: c").bytes)
        let values = server.request?.headerFields.suffix(4).map(\.value)
        #expect(values == ["padded", "", "", "a:b: c"])
    }

    @Test(
        "RFC 9112 §3 a malformed request line gets 400",
        arguments: [
            "GET /chat", "GET", "GET  /chat HTTP/1.1", "GET /chat  HTTP/1.1", "GET /chat HTTP/1.1 ",
            "GET\t/chat\tHTTP/1.1", "G(T /chat HTTP/1.1", "GET /a b HTTP/1.1", "GÉT /chat HTTP/1.1",
        ])
    func requestLine(line: String) {
        expectRefused(HandshakeText.request.startLine(line).text, with: 400)
    }

    @Test(
        "RFC 9112 §2.3 versions other than 1.0 and 1.1 get 505",
        arguments: [
            "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1", "HTTP/11", "HTTP/1.10", "http/1.1", "HTTP/1.1.1", "ICY/1.1",
            "",
        ])
    func version(version: String) {
        expectRefused(HandshakeText.request.startLine("GET /chat \(version)").text, with: 505)
    }

    @Test("RFC 9112 §3.2 a missing, repeated or malformed Host gets 400")
    func host() {
        let request = HandshakeText.request
        expectRefused(request.without("Host").text, with: 400)
        expectRefused(request.adding("Host: server.example.com").text, with: 400)
        expectRefused(request.adding("host: other.example.com").text, with: 400)
        for host in ["a b", "a/b", "user@host", "a, b", "höst", "a\"b", "a<b>", "a#b", "http://a"] {
            expectRefused(request.replacing("Host", with: host).text, with: 400)
        }
        for host in ["a", "a:80", "[::1]:80", "", "A.b-c_d~e", "a%20b"] {
            #expect(status(request.replacing("Host", with: host).text) == 101)
        }
    }

    @Test(
        "RFC 9112 §3.2 a malformed target gets 400",
        arguments: [
            "chat", "?query", "/a#fragment", "/ä", "http://", "http:///path", "http://a b/", "http://user@host/",
            "ftp://a/", "server.example.com:443", "/a\u{1}", "**", "/a\u{7F}b",
        ])
    func target(target: String) {
        expectRefused(HandshakeText.request.startLine("GET \(target) HTTP/1.1").text, with: 400)
    }

    @Test(
        "RFC 9112 §3.2.2 a target in absolute form is read, and takes precedence over the Host field",
        arguments: [
            ("http://other.example/chat?x=1", "other.example", "/chat?x=1"),
            ("ws://other.example:81", "other.example:81", "/"),
            ("HTTPS://Other.Example?x", "Other.Example", "/?x"), ("wss://[::1]/", "[::1]", "/"),
        ])
    func absoluteForm(_ target: String, _ authority: String, _ path: String) {
        let server = EndpointHarness(server: .server)
        server.receive(HandshakeText.request.startLine("GET \(target) HTTP/1.1").bytes)
        guard case .request(let request)? = server.events.first else {
            Issue.record("no request")
            return
        }
        #expect(request.authority == authority)
        #expect(request.path == path)
        server.expectOpen()
    }

    @Test("RFC 9112 §3.2.4 the asterisk form is accepted")
    func asteriskForm() {
        #expect(status(HandshakeText.plainRequest.startLine("OPTIONS * HTTP/1.1").text) == 200)
    }

    @Test(
        "RFC 9112 §6.1 Transfer-Encoding with Content-Length (request smuggling) gets 400",
        arguments: [HandshakeText.request, .plainRequest.startLine("POST / HTTP/1.1")])
    func smuggling(request: HandshakeText) {
        expectRefused(request.adding("Content-Length: 5", "Transfer-Encoding: chunked").text, with: 400)
        expectRefused(request.adding("Transfer-Encoding: identity", "Content-Length: 0").text, with: 400)
        expectRefused(request.adding("transfer-encoding: xchunked", "content-length: 3").text, with: 400)
    }

    @Test("RFC 9112 §6.3 malformed or conflicting Content-Length fields get 400")
    func contentLength() {
        for length in ["-1", "+0", "0x0", "1 2", "a", "", "0, 1", "99999999999999999999", "0.0", "٠"] {
            expectRefused(HandshakeText.request.adding("Content-Length: \(length)").text, with: 400)
        }
        expectRefused(HandshakeText.request.adding("Content-Length: 0", "Content-Length: 5").text, with: 400)
    }

    @Test("RFC 6455 §4.1 an opening handshake with a body gets 413; Content-Length: 0 is accepted")
    func body() {
        expectRefused(HandshakeText.request.adding("Content-Length: 5").text + "hello", with: 413)
        expectRefused(HandshakeText.request.adding("Transfer-Encoding: chunked").text + "0\r\n\r\n", with: 413)
        #expect(status(HandshakeText.request.adding("Content-Length: 0").text) == 101)
        #expect(status(HandshakeText.request.adding("Content-Length: 0", "Content-Length: 0").text) == 101)
    }
}

extension String {
    /// The text with the first place of `text` replaced.
    fileprivate func replacingFirst(_ text: String, with other: String) -> String {
        let bytes = Array(utf8)
        let wanted = Array(text.utf8)
        for start in 0...(bytes.count - wanted.count) where bytes[start..<(start + wanted.count)].elementsEqual(wanted)
        {
            let replaced = bytes[..<start] + Array(other.utf8) + bytes[(start + wanted.count)...]
            return String(decoding: replaced, as: UTF8.self)
        }
        return self
    }
}
