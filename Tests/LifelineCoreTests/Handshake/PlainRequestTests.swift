import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("RFC 9112 §9.3 ordinary requests on the same connection")
struct PlainRequestTests {
    @Test("RFC 9112 §9.3 a request is answered, and the upgrade after it opens the connection")
    func thenUpgrade() {
        let server = EndpointHarness(server: .server)
        server.receive(HandshakeText.plainRequest.bytes)
        let answer = server.takeMessage()
        #expect(answer.status == 200 && answer.body == "fine")
        #expect(answer["Content-Length"] == "4")
        #expect(server.phase == .opening && server.transportRequest == nil)

        server.receive(HandshakeText.request.bytes + WireFrame.text("hello").bytes(from: .client))
        #expect(server.takeMessage().status == 101)
        #expect(server.events.last == .text("hello"))
    }

    @Test(
        "RFC 9112 §9.3.2 pipelined requests and an upgrade are answered in order",
        arguments: [false, true])
    func pipelined(isBytewise: Bool) {
        let bytes =
            HandshakeText.plainRequest.bytes + HandshakeText.plainRequest.startLine("GET /two HTTP/1.1").bytes
            + HandshakeText.request.bytes + WireFrame.text("hello").bytes(from: .client)
        let server = EndpointHarness(server: .server)
        if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
        #expect(
            [server.takeMessage(), server.takeMessage(), server.takeMessage()].map(\.status) == [200, 200, 101])
        #expect(server.events.count == 4 && server.events.last == .text("hello"))
    }

    @Test("RFC 9112 §9.3.2 an unwritten response is not lost when the next request is answered")
    func pipelinedOnStalledTransport() {
        let server = EndpointHarness(server: .server)
        server.isStalled = true
        server.receive(HandshakeText.plainRequest.bytes)
        server.receive(HandshakeText.request.without("Sec-WebSocket-Key").bytes)
        server.receive(HandshakeText.request.bytes)
        server.isStalled = false
        server.drain()
        #expect([server.takeMessage(), server.takeMessage(), server.takeMessage()].map(\.status) == [200, 400, 101])
    }

    @Test("RFC 9112 §9.3.2 an unwritten response is not lost to a malformed request")
    func answerBeforeRejection() {
        let server = EndpointHarness(server: .server)
        server.isStalled = true
        server.receive(HandshakeText.plainRequest.bytes + Array("GET / HTTP/1.1\n\n".utf8))
        server.isStalled = false
        server.drain()
        #expect([server.takeMessage(), server.takeMessage()].map(\.status) == [200, 400])
    }

    @Test("RFC 9112 §9.3.2 a request waits until the previous one has been answered")
    func waitsForAnswer() {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.plainRequest.bytes + HandshakeText.plainRequest.startLine("GET /2 HTTP/1.1").bytes)
        #expect(server.takeEvents().count == 1)
        #expect(server.request?.path == "/health")
        server.receive([])
        #expect(server.takeEvents().isEmpty && server.output.isEmpty)
        server.endpoint.respond(HTTPResponse(status: .ok), body: [], at: server.now)
        server.receive([])
        #expect(server.request?.path == "/2")
    }

    @Test(
        "RFC 9112 §9.6 Connection: close ends the connection after the response",
        arguments: [
            HandshakeText.plainRequest.adding("Connection: close"),
            .plainRequest.adding("Connection: keep-alive, Close"), .plainRequest.startLine("GET / HTTP/1.0"),
        ])
    func connectionClose(request: HandshakeText) {
        let server = EndpointHarness(server: .server)
        server.receive(request.bytes)
        let answer = server.takeMessage()
        #expect(answer.status == 200 && answer["Connection"] == "close")
        #expect(server.phase == .ending && server.transportRequest == .shutdownOutput)
        #expect(server.outcome?.isClean == false)
        server.receive(HandshakeText.plainRequest.bytes)
        #expect(server.output.isEmpty)
    }

    @Test("RFC 9112 §9.3 HTTP/1.0 needs no Host, and closes unless it asks for keep-alive")
    func http10() {
        let server = EndpointHarness(server: .server)
        let request = HandshakeText(startLine: "GET / HTTP/1.0", fields: ["Connection: Keep-Alive"])
        server.receive(request.bytes)
        #expect(server.takeMessage().status == 200)
        #expect(server.phase == .opening)
    }

    @Test("§4.2.1 item 1: an HTTP/1.0 request is marked, since it cannot be upgraded")
    func upgradeOverHTTP10() {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.startLine("GET /chat HTTP/1.0").bytes)
        let isHTTP10 = server.endpoint.request?.isHTTP10
        #expect(isHTTP10 == true)
    }

    @Test("RFC 9110 §9.3.2 the response to HEAD has a length but no body")
    func head() {
        let server = EndpointHarness(server: .server)
        server.receive(HandshakeText.plainRequest.startLine("HEAD /health HTTP/1.1").bytes)
        let output = String(decoding: server.takeOutput(), as: UTF8.self)
        #expect(output.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(output.contains("Content-Length: 4\r\n"))
        #expect(output.hasSuffix("\r\n\r\n"))
    }

    @Test("RFC 9112 §9.3 handshakeTimeout limits the idle time between requests")
    func idleDeadline() {
        let server = EndpointHarness(server: .server)
        server.advance(by: .seconds(9))
        server.receive(HandshakeText.plainRequest.bytes)
        #expect(server.deadline == server.now.advanced(by: .seconds(10)))
        server.advance(by: .seconds(10))
        #expect(server.phase == .closed && server.transportRequest == .abort)
    }

    @Test("§1.7 TLS and other protocols on a plain port get no response")
    func notHTTP() {
        let hellos: [[UInt8]] = [
            [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00], [0x80, 0x2E, 0x01], [0x00], [0xFF], [0x0D, 0x0D], [0x0A],
            [0x20],
            [0x7B, 0x7D],
        ]
        for hello in hellos {
            let server = EndpointHarness(server: .server)
            server.receive(hello)
            #expect(server.events == [.closed])
            #expect(server.output.isEmpty)
            #expect(server.phase == .closed && server.transportRequest == .close)
            guard case .aborted? = server.outcome?.failure else {
                Issue.record("\(String(describing: server.outcome))")
                continue
            }
        }
    }

    @Test("RFC 9113 §3.4 an HTTP/2 preface is not answered, however it is split", arguments: [false, true])
    func http2Preface(isBytewise: Bool) {
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let server = EndpointHarness(server: .server)
        if isBytewise { server.receiveByteByByte(preface) } else { server.receive(preface) }
        #expect(server.events == [.closed])
        #expect(server.output.isEmpty && server.transportRequest == .close)
        #expect(server.outcome?.failure == .aborted("an HTTP/2 client on an HTTP/1.1 port"))
    }

    @Test("§4.2.2 frames after a refused handshake end the connection")
    func framesBehindRefusal() {
        let server = EndpointHarness(server: .server)
        server.receive(
            HandshakeText.request.without("Sec-WebSocket-Version").bytes + WireFrame.text("early").bytes(from: .client))
        #expect(server.takeMessage().status == 426)
        #expect(server.events.last == .closed)
        #expect(server.phase == .closed && server.output.isEmpty)
    }
}
