import Testing

@testable import LifelineCore

@Suite("§7.1.5, §7.1.6 the outcome of a connection")
struct CloseOutcomeTests {
    @Test("§7.1.5 the code is the peer's, 1005 if it sent none, 1006 without a Close frame")
    func code() {
        func outcome(_ received: CloseFrame?) -> CloseOutcome {
            CloseOutcome(initiator: .local, sent: CloseFrame(.goingAway, "ours"), received: received, failure: nil)
        }
        #expect(outcome(CloseFrame(.tryAgainLater, "later")).code == .tryAgainLater)
        #expect(outcome(CloseFrame(.tryAgainLater, "later")).reason == "later")
        #expect(outcome(.empty).code == .noStatusReceived)
        #expect(outcome(.empty).reason == "")
        #expect(outcome(nil).code == .abnormalClosure)
        #expect(outcome(nil).reason == "")
    }

    @Test("§7.1.5 the effective code is the initiator's; 1006 only if no Close frame was exchanged")
    func effectiveCode() {
        func code(
            _ initiator: CloseOutcome.Initiator, sent: CloseFrame?, received: CloseFrame?
        ) -> CloseCode {
            CloseOutcome(initiator: initiator, sent: sent, received: received, failure: nil).effectiveCode
        }
        let tooBig = CloseFrame(.messageTooBig, "")
        let normal = CloseFrame(.normalClosure, "")
        // What this side found out counts, whatever the peer answers, and whether it answers at all.
        for received in [tooBig, normal, .empty, nil] {
            #expect(code(.local, sent: tooBig, received: received) == .messageTooBig)
        }
        #expect(code(.both, sent: tooBig, received: normal) == .messageTooBig)
        #expect(code(.peer, sent: normal, received: tooBig) == .messageTooBig)
        #expect(code(.peer, sent: .empty, received: .empty) == .noStatusReceived)
        #expect(code(.local, sent: .empty, received: normal) == .noStatusReceived)
        // The peer ended TCP without an answer to the Close frame.
        #expect(code(.peer, sent: tooBig, received: nil) == .messageTooBig)
        for initiator in [CloseOutcome.Initiator.local, .peer, .both] {
            #expect(code(initiator, sent: nil, received: nil) == .abnormalClosure)
        }
    }

    @Test(
        "§7.1.7 the effective code after an oversized message is 1009, even without a reply",
        arguments: WebSocketRole.allCases)
    func effectiveCodeOfViolation(role: WebSocketRole) throws {
        var configuration = role == .server ? EndpointConfiguration.server : .client
        configuration.maximumMessageSize = 10
        let harness = EndpointHarness.open(role, configuration: configuration)
        let frame = WireFrame.binary([UInt8](repeating: 0, count: 11))
        harness.receive(role == .server ? frame.masked() : frame)
        let outcome = try #require(harness.outcome)
        #expect(outcome.code == .abnormalClosure && outcome.effectiveCode == .messageTooBig)
    }

    @Test("An outcome's description is one line")
    func descriptions() {
        let clean = CloseOutcome(
            initiator: .peer, sent: CloseFrame(.normalClosure, ""), received: CloseFrame(.normalClosure, "bye"),
            failure: nil)
        #expect(
            "\(clean)"
                == "clean, closed by the peer, sent 1000 (normal closure), received 1000 (normal closure) \"bye\"")
        let both = CloseOutcome(initiator: .both, sent: .empty, received: .empty, failure: nil)
        #expect("\(both)" == "clean, closed by both simultaneously, sent no status, received no status")
        let dead = CloseOutcome(
            initiator: .local, sent: nil, received: nil, failure: .heartbeatTimedOut(after: .seconds(10)))
        #expect(
            "\(dead)"
                == "abnormal, closed by this side, heartbeat timeout: the peer sent nothing for 10.0 seconds after a Ping"
        )
    }

    @Test(
        "Each failure's description says what happened",
        arguments: [
            (
                ConnectionFailure.closeTimedOut(after: .seconds(3)),
                "the peer did not answer the Close frame within 3.0 seconds"
            ),
            (.handshakeTimedOut(after: .seconds(3)), "the opening handshake was not completed within 3.0 seconds"),
            (.endOfStream(insideFrame: false), "the peer ended its side of TCP without a Close frame"),
            (.endOfStream(insideFrame: true), "the peer ended its side of TCP in the middle of a frame"),
            (.transport("reset"), "the connection was lost: reset"), (.aborted("why"), "aborted: why"),
        ])
    func failures(_ failure: ConnectionFailure, _ description: String) {
        #expect("\(failure)" == description)
    }

    @Test(
        "§7.1.7 every violation's description fits into a Close frame whole, and names the RFC's section or the setting"
    )
    func violations() {
        let all: [ProtocolViolation] = [
            .reservedBits(0x70), .reservedOpcode(Opcode(rawValue: 0xF)), .unmaskedFrame, .maskedFrame,
            .fragmentedControlFrame(.close), .controlFrameTooLong(.close), .lengthNotMinimal(65_535), .lengthTooLarge,
            .frameTooBig(UInt64(Int64.max), limit: .max), .continuationWithoutMessage, .messageInsideMessage(.binary),
            .messageTooBig(.max, limit: .max), .tooManyFragments(allowed: .max, limit: .max),
            .compressedFrameTooBig(.max, needed: .max, limit: .max),
            .compressedMessageTooBig(.max, needed: .max, limit: .max), .invalidUTF8, .closePayloadOfOneByte,
            .invalidCloseCode(CloseCode(rawValue: 65_535)), .invalidUTF8InCloseReason,
        ]
        for violation in all {
            #expect(CloseFrame(violation.closeCode, violation.description).reason == violation.description)
            #expect(violation.description.contains("RFC 6455 §") || violation.description.contains("(maximum"))
            #expect([1002, 1007, 1008, 1009].contains(violation.closeCode.rawValue))
        }
    }
}
