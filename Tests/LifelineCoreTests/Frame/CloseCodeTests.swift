import Testing

@testable import LifelineCore

@Suite("§7.4 close codes")
struct CloseCodeTests {
    /// §7.4.1 and §7.4.2, and the registry of IANA as of 1014.
    private func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014: true
        case 3000...3999, 4000...4999: true
        default: false
        }
    }

    @Test("§7.4 exactly the sendable codes can be sent")
    func sendable() {
        for raw in UInt16.min...UInt16.max {
            let code = CloseCode(rawValue: raw)
            let isAccepted = (try? CloseFrame(code: code)) != nil
            if code.isSendable != mayBeSent(raw) || isAccepted != mayBeSent(raw) { Issue.record("\(raw)") }
        }
    }

    @Test("§7.4 a received code is accepted or answered with 1002")
    func received() {
        let step = TestScale.rounds(debug: 7, release: 1)
        let edges: [UInt16] = [
            0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000, 4999, 5000, .max,
        ]
        for raw in edges + stride(from: 0, through: 65_535, by: step).map({ UInt16($0) }) {
            let payload = [UInt8(raw >> 8), UInt8(raw & 0xFF)]
            let frame = payload.withUnsafeBytes { try? CloseFrame(payload: $0) }
            if (frame?.code?.rawValue == raw) != mayBeSent(raw) { Issue.record("\(raw)") }
        }
    }

    @Test(
        "§7.4.2 a Close frame with a code that must not be sent fails the connection; it is not echoed",
        arguments: [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] as [UInt16],
        WebSocketRole.allCases)
    func refused(_ code: UInt16, role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.close(code, "reason"))
        #expect(harness.events == [.closed])
        #expect(harness.outcome?.received == nil)
        #expect(harness.outcome?.code == .abnormalClosure)
        harness.expectFailed(with: 1002)
    }

    @Test(
        "§7.4.1, §7.4.2 a Close frame with any other code is echoed",
        arguments: Array(UInt16(1000)...1003) + Array(1007...1014) + [3000, 3999, 4000, 4999], WebSocketRole.allCases)
    func echoed(_ code: UInt16, role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.close(code, "reason"))
        #expect(harness.takeFrames().map(\.closeCode) == [code])
        #expect(harness.outcome?.isClean == true)
        #expect(harness.outcome?.code.rawValue == code)
    }

    @Test("§7.4.1 defined codes have the RFC's names")
    func names() {
        let named: [(CloseCode, UInt16, String)] = [
            (.normalClosure, 1000, "1000 (normal closure)"), (.goingAway, 1001, "1001 (going away)"),
            (.protocolError, 1002, "1002 (protocol error)"), (.unsupportedData, 1003, "1003 (unsupported data)"),
            (.noStatusReceived, 1005, "1005 (no status received)"), (.abnormalClosure, 1006, "1006 (abnormal closure)"),
            (.invalidFramePayloadData, 1007, "1007 (invalid frame payload data)"),
            (.policyViolation, 1008, "1008 (policy violation)"), (.messageTooBig, 1009, "1009 (message too big)"),
            (.mandatoryExtension, 1010, "1010 (mandatory extension)"), (.internalError, 1011, "1011 (internal error)"),
            (.serviceRestart, 1012, "1012 (service restart)"), (.tryAgainLater, 1013, "1013 (try again later)"),
            (.badGateway, 1014, "1014 (bad gateway)"), (.tlsHandshake, 1015, "1015 (TLS handshake)"),
            (CloseCode(rawValue: 4242), 4242, "4242"),
        ]
        for (code, raw, description) in named {
            #expect(code.rawValue == raw)
            #expect("\(code)" == description)
        }
    }
}
