import Testing

@testable import Lifeline
@testable import LifelineCLI

@Suite("Control frames among messages")
struct ControlJournalTests {
    private let journal = ControlJournal()

    private func observe(_ kind: LifecycleEvent.Kind, at milliseconds: Int64 = 0) {
        journal.observe(
            LifecycleEvent(
                connectionID: 1, role: .client, instant: MonotonicInstant(nanoseconds: milliseconds * 1_000_000),
                kind: kind))
    }

    private func received(_ opcode: Opcode, isFinal: Bool = true, _ payload: [UInt8] = [], at milliseconds: Int64 = 0) {
        let header = FrameHeader(opcode: opcode, isFinal: isFinal, payloadLength: UInt64(payload.count))
        observe(.frameReceived(header, preview: payload), at: milliseconds)
    }

    private func sent(_ opcode: Opcode, _ payload: [UInt8], at milliseconds: Int64) {
        let header = FrameHeader(opcode: opcode, payloadLength: UInt64(payload.count))
        observe(.frameSent(header, preview: payload), at: milliseconds)
    }

    private func payloads(withMessage isMessage: Bool) -> [[UInt8]] {
        journal.take(withMessage: isMessage).events.map(\.payload)
    }

    @Test("Control frames keep their order among messages")
    func order() {
        received(.ping, [1])
        received(.text)
        received(.ping, [2])
        received(.binary, isFinal: false)
        received(.ping, [3])
        received(.continuation)
        received(.ping, [4])
        #expect(payloads(withMessage: false) == [[1]])
        #expect(payloads(withMessage: false) == [])
        #expect(payloads(withMessage: true) == [])
        #expect(payloads(withMessage: true) == [[2], [3]])
        #expect(payloads(withMessage: false) == [[4]])
    }

    @Test("A Pong has its round-trip time")
    func roundTrip() {
        sent(.ping, [1], at: 0)
        sent(.ping, [2], at: 10)
        received(.pong, [9], at: 15)
        received(.pong, [2], at: 30)
        received(.pong, [1], at: 40)
        let pongs = journal.take(withMessage: false).events.filter { !$0.isSent }
        #expect(pongs.map(\.roundTrip) == [nil, .milliseconds(20), nil])
    }

    @Test("Excess control frames are dropped and counted")
    func bound() {
        for _ in 0..<10_010 { received(.ping) }
        let taken = journal.take(withMessage: false)
        #expect(taken.events.count == 10_000)
        #expect(taken.omitted == 10)
        #expect(journal.take(withMessage: false).omitted == 0)
    }
}
