import Testing

@testable import LifelineCore

@Suite("§5.5.1 Close frames")
struct CloseFrameTests {
    @Test(
        "§5.5.1 a frame without a payload is echoed without one, and reported as 1005",
        arguments: WebSocketRole.allCases)
    func empty(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.emptyClose)
        #expect(harness.events == [.closed])
        #expect(harness.takeFrames().map(\.payload) == [[]])
        #expect(harness.outcome?.code == .noStatusReceived)
        #expect(harness.outcome?.received == .empty)
        #expect(harness.outcome?.reason == "")
    }

    @Test("§5.5.1 a payload of one byte fails the connection", arguments: [UInt8(0), 3, 0xE8], WebSocketRole.allCases)
    func oneByte(byte: UInt8, role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(WireFrame(opcode: 8, payload: [byte]))
        harness.expectFailed(with: 1002)
    }

    @Test("§5.5.1 a reason of up to 123 bytes is read")
    func reasons() {
        for length in 0...123 {
            let reason = String(repeating: "r", count: length)
            let server = EndpointHarness.open(.server)
            server.receive(.close(4000, reason))
            #expect(server.outcome?.reason == reason)
            #expect(server.outcome?.isClean == true)
        }
    }

    @Test("§5.5.1 a reason may contain multi-byte characters")
    func reasonsInUTF8() {
        for reason in UTF8Samples.valid where reason.utf8.count <= 123 {
            let server = EndpointHarness.open(.server)
            server.receive(.close(1000, reason))
            #expect(server.outcome?.reason.utf8.elementsEqual(reason.utf8) == true)
        }
    }

    @Test(
        "§5.5.1, §8.1 a reason that is not UTF-8 fails the connection with 1007",
        arguments: UTF8Samples.invalid.map(\.bytes) + [[0x61, 0xE2, 0x82]])
    func invalidReasons(reason: [UInt8]) {
        let server = EndpointHarness.open(.server)
        server.receive(WireFrame(opcode: 8, payload: [0x03, 0xE8] + reason))
        #expect(server.outcome?.received == nil)
        server.expectFailed(with: 1007)
    }

    @Test("§5.5 a payload of more than 125 bytes fails the connection")
    func tooLong() {
        let server = EndpointHarness.open(.server)
        server.receive(.close(1000, String(repeating: "r", count: 124)))
        server.expectFailed(with: 1002)
    }

    @Test("§5.5.1 code and reason are sent in this order, the code in network byte order")
    func sent() {
        let server = EndpointHarness.open(.server)
        server.close(CloseCode(rawValue: 0x1234), "why")
        #expect(server.takeOutput() == [0x88, 0x05, 0x12, 0x34, 0x77, 0x68, 0x79])
    }

    @Test("§5.5.1 a frame without a code can be sent")
    func sentEmpty() {
        let server = EndpointHarness.open(.server)
        server.endpoint.close(.empty, at: server.now)
        server.drain()
        #expect(server.takeOutput() == [0x88, 0x00])
    }

    @Test("§5.5 a reason of 123 bytes can be sent, a longer one cannot")
    func longestReason() throws {
        let longest = String(repeating: "é", count: 61) + "!"
        #expect(try CloseFrame(code: .goingAway, reason: longest).reason == longest)
        let error = #expect(throws: CloseFrameError.self) {
            try CloseFrame(code: .goingAway, reason: longest + "!")
        }
        #expect(error == .reasonTooLong(124))
        #expect(
            error.map { "\($0)" } == "the close reason has 124 bytes of UTF-8; at most 123 are allowed (RFC 6455 §5.5)")
    }

    @Test(
        "§7.4 an unsendable code is rejected when the frame is created",
        arguments: [CloseCode.noStatusReceived, .abnormalClosure, .tlsHandshake, CloseCode(rawValue: 0)])
    func unsendable(code: CloseCode) {
        #expect(throws: CloseFrameError.unsendableCode(code)) { try CloseFrame(code: code) }
    }

    @Test("§5.5.1 the library's own reasons are truncated between characters")
    func cutReason() {
        #expect(
            CloseFrame(.internalError, String(repeating: "é", count: 100)).reason == String(repeating: "é", count: 61))
        #expect(CloseFrame(.internalError, String(repeating: "👩‍👩‍👧‍👦", count: 5)).reason.utf8.count == 100)
        #expect(CloseFrame(.internalError, "short").reason == "short")
    }

    @Test("§5.5.1 a frame's description has its code and reason")
    func descriptions() throws {
        #expect("\(CloseFrame.empty)" == "no status")
        #expect("\(try CloseFrame(code: .goingAway))" == "1001 (going away)")
        #expect("\(try CloseFrame(code: .goingAway, reason: "bye"))" == "1001 (going away) \"bye\"")
    }
}
