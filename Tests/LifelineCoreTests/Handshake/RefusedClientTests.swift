import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§4.1 item 1: a refused client")
struct RefusedClientTests {
    private func reasonOfEnd(_ client: EndpointHarness) -> HandshakeFailure? {
        #expect(client.phase == .closed)
        #expect(client.outcome?.isClean == false)
        return client.handshakeFailure
    }

    private func refused(
        _ status: String, _ fields: [String] = [], body: String = "", endsStream: Bool = false
    ) -> HandshakeFailure? {
        let client = EndpointHarness.client()
        client.receive(HandshakeText(startLine: "HTTP/1.1 \(status)", fields: fields).bytes + Array(body.utf8))
        if endsStream { client.receiveEnd() }
        return reasonOfEnd(client)
    }

    @Test(
        "§4.1 item 1: any status but 101 is a refusal with status, fields and body",
        arguments: [
            "200 OK", "301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect",
            "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found",
            "407 Proxy Authentication Required",
            "426 Upgrade Required", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable",
            "599 ",
        ])
    func statuses(_ status: String) throws {
        let failure = try #require(refused(status, ["Content-Length: 5", "Location: /elsewhere"], body: "why…"))
        #expect(failure.reason == .refused)
        #expect(failure.response?.status.code == Int(status.prefix(3)))
        #expect(failure.response?.headerFields[.location] == "/elsewhere")
        #expect(String(decoding: failure.body, as: UTF8.self).hasPrefix("why"))
    }

    @Test("RFC 9112 §6.3 a body with Content-Length is read to its length")
    func contentLength() throws {
        let failure = try #require(refused("403 Forbidden", ["Content-Length: 3"], body: "no!and more"))
        #expect(failure.body.starts(with: "no!".utf8))
        #expect(failure.body.count == 3)
    }

    @Test(
        "RFC 9112 §6.3 a refusal without a body is complete at the end of its head",
        arguments: [
            ("403 Forbidden", ["Content-Length: 0"]), ("204 No Content", []), ("304 Not Modified", []),
            ("304 Not Modified", ["Content-Length: 500"]),
        ])
    func noBody(_ status: String, _ fields: [String]) throws {
        let failure = try #require(refused(status, fields))
        #expect(failure.reason == .refused && failure.body.isEmpty)
    }

    @Test("RFC 9112 §6.3 a body without an announced length ends with the stream")
    func untilTheEnd() throws {
        let failure = try #require(refused("404 Not Found", body: "nothing here", endsStream: true))
        #expect(failure.body == Array("nothing here".utf8))
        #expect(failure.response?.status == .notFound)
    }

    @Test(
        "RFC 9112 §6.3 a client waits at most 1 s for a body that ends with the stream",
        arguments: [[], ["Connection: keep-alive"], ["Transfer-Encoding: gzip"], ["Transfer-Encoding: chunked, gzip"]],
        ["", "some of it"])
    func openStream(fields: [String], body: String) throws {
        let client = EndpointHarness.client()
        client.advance(by: .seconds(3))
        client.receive(
            HandshakeText(startLine: "HTTP/1.1 403 Forbidden", fields: fields).bytes + Array(body.utf8))
        client.advance(by: .seconds(1) - .nanoseconds(1))
        #expect(client.phase == .opening)
        client.receive(Array(body.utf8))
        #expect(client.deadline == client.now.advanced(by: .nanoseconds(1)), "more of it puts nothing off")
        client.advance(by: .nanoseconds(1))
        let failure = try #require(reasonOfEnd(client))
        #expect(failure.reason == .refused && failure.response?.status == .forbidden)
        #expect(failure.body == Array((body + body).utf8))
    }

    @Test("RFC 9112 §6.3 the handshake's deadline limits the wait for a body")
    func openStreamNearTheEnd() throws {
        let client = EndpointHarness.client()
        client.advance(by: .seconds(10) - .milliseconds(200))
        client.receive(HandshakeText(startLine: "HTTP/1.1 403 Forbidden", fields: []).bytes)
        client.advance(by: .milliseconds(200))
        #expect(reasonOfEnd(client)?.reason == .refused)
    }

    @Test(
        "RFC 9112 §7.1 a chunked body ends at its last chunk",
        arguments: ["0\r\n", "000\r\n", "0;last\r\n", "0 \r\n", "0\r\nTrailer: x\r\n\r\n"])
    func lastChunk(end: String) throws {
        let client = EndpointHarness.client()
        client.receive(
            HandshakeText(startLine: "HTTP/1.1 403 Forbidden", fields: ["Transfer-Encoding: chunked"]).bytes)
        client.receiveByteByByte(Array("3\r\nabc\r\n".utf8))
        #expect(client.phase == .opening)
        client.receiveByteByByte(Array(end.utf8))
        #expect(reasonOfEnd(client)?.body == Array("abc".utf8))
    }

    @Test("RFC 9112 §7.1 a chunked body is decoded")
    func chunked() throws {
        let body = "4\r\nWiki\r\n6;name=value\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n"
        let failure = try #require(refused("500 Oops", ["Transfer-Encoding: chunked"], body: body))
        #expect(failure.body == Array("Wikipedia in \r\n\r\nchunks.".utf8))
    }

    @Test(
        "RFC 9112 §7.1 a malformed chunk ends the body",
        arguments: ["nonsense\r\n", "-5\r\nabc\r\n", "\r\n", "FFFFFFFFFFFFFFFFFFFFF\r\nabc", "0\r\n\r\n"]
            as [EscapedText])
    func malformedChunks(_ body: EscapedText) throws {
        let failure = try #require(refused("500 Oops", ["Transfer-Encoding: chunked"], body: "2\r\nok\r\n" + body.text))
        #expect(failure.body == Array("ok".utf8))
    }

    @Test("RFC 9112 §7.1 a huge chunk size allocates nothing")
    func hugeChunk() throws {
        let failure = try #require(
            refused(
                "500 Oops", ["Transfer-Encoding: chunked"], body: "7FFFFFFFFFFFFFFF\r\nsome bytes", endsStream: true))
        #expect(failure.body == Array("some bytes".utf8))
    }

    @Test("§4.1 at most 1 KiB of a refusal's body is kept")
    func firstKibibyte() throws {
        let body = String(repeating: "0123456789abcdef", count: 1000)
        for fields in [["Content-Length: \(body.utf8.count)"], [], ["Content-Length: 99999999999"]] {
            let failure = try #require(refused("503 Busy", fields, body: body))
            #expect(failure.body == Array(body.utf8.prefix(1024)))
        }
        let chunks = "3E80\r\n" + body
        let failure = try #require(refused("503 Busy", ["Transfer-Encoding: chunked"], body: chunks))
        #expect(failure.body == Array(body.utf8.prefix(1024)))
    }

    @Test(
        "§4.1 a body may be split anywhere, and arrive with its head",
        arguments: [
            HandshakeText(startLine: "HTTP/1.1 403 Forbidden", fields: ["Content-Length: 8"]).text + "go away!",
            HandshakeText(startLine: "HTTP/1.1 403 Forbidden", fields: ["Transfer-Encoding: chunked"]).text
                + "3\r\ngo \r\n5\r\naway!\r\n0\r\n\r\n",
        ])
    func bodyInPieces(text: String) throws {
        let bytes = Array(text.utf8)
        for split in 0..<bytes.count {
            let client = EndpointHarness.client()
            client.receive(bytes, splitAt: [split])
            #expect(reasonOfEnd(client)?.body == Array("go away!".utf8))
        }
        let client = EndpointHarness.client()
        client.receiveByteByByte(bytes)
        #expect(reasonOfEnd(client)?.body == Array("go away!".utf8))
    }

    @Test("§4.1 the handshake's deadline limits the wait for an endless body")
    func endlessWait() throws {
        let client = EndpointHarness.client()
        client.receive(HandshakeText(startLine: "HTTP/1.1 401 Unauthorized", fields: ["Content-Length: 99"]).bytes)
        client.receive(Array("half a sent".utf8))
        #expect(client.phase == .opening)
        client.advance(by: .seconds(10))
        let failure = try #require(reasonOfEnd(client))
        #expect(failure.response?.status == .unauthorized)
        #expect(failure.body == Array("half a sent".utf8))
    }

    @Test("RFC 9110 §15.2 a limited number of interim responses is skipped", arguments: [0, 1, 8])
    func interim(_ count: Int) {
        let client = EndpointHarness.client()
        let answer = client.answerToRequest.text
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
        client.receive(Array((String(repeating: interim, count: count) + answer).utf8))
        client.expectOpen()
    }

    @Test("RFC 9110 §15.2 too many interim responses fail the handshake")
    func tooManyInterim() throws {
        let client = EndpointHarness.client()
        for _ in 0..<8 { client.receive(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
        #expect(client.phase == .opening)
        client.receive(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        #expect(reasonOfEnd(client)?.reason == .malformedResponse)
    }

    @Test(
        "RFC 9112 §6.3 a malformed Content-Length fails the handshake",
        arguments: [
            "-1", "1, 2", "abc", "1 2", "0x10", "99999999999999999999", "", "+5",
        ])
    func malformedContentLength(_ value: String) throws {
        let failure = try #require(refused("403 Forbidden", ["Content-Length: \(value)"]))
        #expect(failure.reason == .malformedResponse)
    }

    @Test("RFC 9112 §6.3 equal Content-Length fields count as one", arguments: [["3", "3"], ["3, 3"]])
    func repeatedContentLength(_ values: [String]) throws {
        let failure = try #require(refused("403 Forbidden", values.map { "Content-Length: \($0)" }, body: "no!"))
        #expect(failure.reason == .refused)
    }

    @Test("§4.1 a stream that ends before the response fails the handshake", arguments: ["", "HTTP/1.1 101 Switch"])
    func endOfStream(text: String) {
        let client = EndpointHarness.client()
        client.receive(Array(text.utf8))
        client.receiveEnd()
        #expect(client.phase == .closed && client.transportRequest == .close)
        #expect(client.outcome?.failure == .endOfStream(insideFrame: false))
    }
}
