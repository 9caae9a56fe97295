import Lifeline
import Testing

@testable import LifelineTrace

@Suite("Diagrams that are drawn while the connection lasts") struct LiveDiagramTests {
    private static func frame(
        _ opcode: UInt8, _ direction: TraceEvent.Direction, isFinal: Bool = true
    ) -> TraceEvent.Kind {
        .frame(
            direction, .init(opcode: opcode, isFinal: isFinal, isMasked: false, length: 5, payload: Array("hello".utf8))
        )
    }

    private static func message(_ direction: TraceEvent.Direction) -> TraceEvent.Kind {
        .message(direction, .init(isText: true, size: 5, wireSize: 5, payload: Array("hello".utf8)))
    }

    /// What a stream without an end repeats.
    private static let endless: [[TraceEvent.Kind]] = [
        [frame(1, .received), message(.received)],
        [frame(1, .sent), frame(9, .received), frame(10, .sent), message(.sent)],
        [frame(9, .sent), frame(1, .received), frame(10, .received), .roundTrip(nanoseconds: 5), message(.received)],
        // One message, in fragments that never end; frames without messages; notes.
        [frame(0, .received, isFinal: false)], [frame(2, .sent)], [.note("a note"), .paused(.sent, pendingBytes: 1)],
    ]

    @Test("A live diagram keeps at most one row", arguments: endless.indices, [false, true])
    func bounded(index: Int, settles: Bool) {
        var diagram = LiveDiagram(observer: .client, renderer: TerminalRenderer())
        var lines = 0
        var most = 0
        for round in 0..<1000 {
            for kind in Self.endless[index] {
                lines += diagram.add(TraceEvent(time: Int64(round), connection: 1, observer: .client, kind: kind)).count
                most = max(most, diagram.keptRows)
            }
            if settles {
                lines += diagram.settle().count
                most = max(most, diagram.keptRows)
            }
        }
        #expect(most == 1)
        lines += diagram.end().count
        #expect(diagram.keptRows == 0 && lines > 1000, "and all have been given out")
    }

    @Test("Events can add to the row that is kept, but not to those that were returned")
    func details() {
        func drawn(settles: Bool) -> String {
            var diagram = LiveDiagram(observer: .client, renderer: TerminalRenderer())
            var lines: [String] = []
            let kinds = [
                Self.frame(9, .sent), Self.frame(10, .received), .roundTrip(nanoseconds: 5_000),
                Self.frame(1, .received), Self.message(.received),
            ]
            for kind in kinds {
                lines += diagram.add(TraceEvent(time: 0, connection: 1, observer: .client, kind: kind))
                if settles { lines += diagram.settle() }
            }
            return (lines + diagram.end()).joined(separator: "\n")
        }
        #expect(drawn(settles: false).contains("round trip 5.00 µs"))
        #expect(drawn(settles: false).contains("5 bytes"))
        #expect(!drawn(settles: true).contains("round trip"))
        #expect(drawn(settles: true).contains("4 text") == false && drawn(settles: true).contains("3 text “hello”"))
    }
}
