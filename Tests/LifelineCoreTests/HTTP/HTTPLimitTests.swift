import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("RFC 6455 §10.4, RFC 6585 §5 limits on the head")
struct HTTPLimitTests {
    /// A valid request of just this many bytes.
    private func request(ofSize size: Int) -> [UInt8] {
        let empty = HandshakeText.request.adding("X-Padding: ").bytes.count
        return HandshakeText.request.adding("X-Padding: " + String(repeating: "x", count: size - empty)).bytes
    }

    private func expectTooLarge(_ server: EndpointHarness, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(server.takeMessage(sourceLocation: sourceLocation).status == 431, sourceLocation: sourceLocation)
        #expect(server.phase == .ending, sourceLocation: sourceLocation)
        #expect(server.refusal?.reason == .headTooLarge, sourceLocation: sourceLocation)
        #expect(server.events == [.closed], sourceLocation: sourceLocation)
    }

    @Test(
        "RFC 6585 §5 a head at the limit is accepted; one byte more gets 431",
        arguments: [256, 1000, 16 << 10], [0, 1])
    func headSize(limit: Int, excess: Int) {
        var configuration = EndpointConfiguration.server
        configuration.maximumHeadSize = limit
        let bytes = request(ofSize: limit + excess)
        for splits in [[], [1], [limit - 1], [limit], [limit / 2, limit - 1]] {
            let server = EndpointHarness(server: configuration)
            server.receive(bytes, splitAt: splits)
            if excess == 0 {
                #expect(server.takeMessage().status == 101)
            } else {
                expectTooLarge(server)
            }
        }
    }

    @Test("RFC 6585 §5 frames after the head do not count towards its limit")
    func framesBehindHead() {
        let server = EndpointHarness(server: .server)
        server.receive(request(ofSize: 16 << 10) + WireFrame.text("early").bytes(from: .client))
        #expect(server.events.last == .text("early"))
    }

    @Test("RFC 6585 §5 an oversized field gets 431 as soon as it exceeds the limit")
    func hugeField() {
        let server = EndpointHarness(server: .server)
        let bytes = request(ofSize: 64 << 10)
        server.receive(Array(bytes[..<(16 << 10 - 1)]))
        #expect(server.phase == .opening && server.output.isEmpty)
        server.receive([bytes[16 << 10 - 1]])
        expectTooLarge(server)
        server.receive(Array(bytes[(16 << 10)...]))
        #expect(server.output.isEmpty)
    }

    @Test("RFC 6585 §5 a head at the field limit is accepted; one more field gets 431", arguments: [0, 1])
    func fieldCount(excess: Int) {
        var request = HandshakeText.request
        request.fields += (0..<(95 + excess)).map { "X-\($0): y" }
        let server = EndpointHarness(server: .server)
        server.receive(request.bytes)
        if excess == 0 {
            #expect(server.takeMessage().status == 101)
        } else {
            expectTooLarge(server)
        }
    }

    @Test("RFC 6585 §5 10,000 fields get 431, by their number or by their size", arguments: [16 << 10, 1 << 20])
    func tenThousandFields(limit: Int) {
        var configuration = EndpointConfiguration.server
        configuration.maximumHeadSize = limit
        var request = HandshakeText.request
        request.fields += (0..<10_000).map { "X-\($0): y" }
        let server = EndpointHarness(server: configuration)
        server.receive(request.bytes)
        expectTooLarge(server)
    }

    @Test("RFC 6455 §10.4 reading a large head byte by byte takes linear work", .timeLimit(.minutes(1)))
    func byteByByte() {
        var configuration = EndpointConfiguration.server
        configuration.maximumHeadSize = 1 << 20
        let bytes = request(ofSize: TestScale.rounds(debug: 200_000, release: 1 << 20))
        let server = EndpointHarness(server: configuration)
        server.receiveByteByByte(bytes)
        // Were the head read anew with each byte, this would take hours.
        #expect(server.takeMessage().status == 101)
    }

    @Test("RFC 6455 §10.4 an endless head fails a client at its limit")
    func endlessAnswer() {
        let client = EndpointHarness.client()
        client.receive(Array("HTTP/1.1 101 Switching Protocols\r\n".utf8))
        let line = Array("X-Endless: \(String(repeating: "y", count: 1000))\r\n".utf8)
        var sent = 0
        while client.phase == .opening, sent < 1 << 20 {
            client.receive(line)
            sent += line.count
        }
        #expect(sent < 17 << 10)
        #expect(client.handshakeFailure?.reason == .malformedResponse)
        #expect(client.handshakeFailure?.message == "the HTTP head is longer than 16384 bytes (maximumHeadSize)")
    }

    @Test("RFC 6455 §10.4 too many fields fail a client")
    func tooManyFieldsForClient() {
        let client = EndpointHarness.client()
        var answer = client.answerToRequest
        answer.fields += (0..<98).map { "X-\($0): y" }
        client.receive(answer.bytes)
        #expect(client.handshakeFailure?.reason == .malformedResponse)
    }

    @Test(
        "RFC 6455 §4.1 an unfinished handshake is aborted exactly at the deadline",
        arguments: WebSocketRole.allCases)
    func deadline(role: WebSocketRole) {
        let harness = role == .server ? EndpointHarness(server: .server) : .client()
        #expect(harness.deadline == harness.now.advanced(by: .seconds(10)))
        // A byte every second puts nothing off.
        for byte in "HTTP/1.1 ".utf8 {
            harness.advance(by: .seconds(1))
            harness.receive([byte])
        }
        harness.advance(by: .nanoseconds(999_999_999))
        #expect(harness.phase == .opening)
        harness.advance(by: .nanoseconds(1))
        #expect(harness.phase == .closed)
        #expect(harness.transportRequest == .abort)
        #expect(harness.outcome?.failure == .handshakeTimedOut(after: .seconds(10)))
        #expect(harness.outcome?.initiator == .local)
        #expect(harness.deadline == nil)
    }

    @Test("RFC 6455 §4.2 the deadline also applies to the application's answer")
    func deadlineWhileAnswering() {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.bytes)
        server.advance(by: .seconds(10))
        #expect(server.outcome?.failure == .handshakeTimedOut(after: .seconds(10)))
        // Whoever answers now comes too late, and nothing happens.
        #expect(server.request == nil)
        server.endpoint.accept(HTTPResponse(status: .switchingProtocols), at: server.now, random: &server.random)
        server.endpoint.respond(HTTPResponse(status: .ok), body: [], at: server.now)
        #expect(server.phase == .ending, "503 is on its way")
    }
}
