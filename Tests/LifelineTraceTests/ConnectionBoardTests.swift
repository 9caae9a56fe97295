import Lifeline
import Testing

@testable import LifelineTrace

@Suite("What the page keeps") struct ConnectionBoardTests {
    private static func board(payloadLimit: Int = 0) -> ConnectionBoard {
        var options = ConnectionBoard.Options()
        options.payloadLimit = payloadLimit
        options.maximumEnded = 2
        options.maximumEvents = 40
        return ConnectionBoard(options: options)
    }

    private static func record(
        _ kinds: [TraceEvent.Kind], connection: UInt64 = 1, on board: ConnectionBoard, from start: Int64 = 1000
    ) {
        for (index, kind) in kinds.enumerated() {
            board.record(
                TraceEvent(time: -1, connection: connection, observer: .server, kind: kind),
                at: Instant(nanoseconds: start + Int64(index)))
        }
    }

    private static let request = TraceEvent.Kind.request(
        .received, .init(method: "GET", target: "/chat?token=x", authority: "example.org"))
    private static func answer(_ status: Int) -> TraceEvent.Kind {
        .response(.sent, .init(status: status, reason: "words"))
    }
    private static func message(_ text: String, _ direction: TraceEvent.Direction) -> [TraceEvent.Kind] {
        let payload = Array(text.utf8)
        return [
            .frame(direction, .init(opcode: 1, isMasked: false, length: payload.count, payload: payload)),
            .message(direction, .init(isText: true, size: payload.count, wireSize: payload.count, payload: payload)),
        ]
    }

    @Test("What others have seen is shown as if it had been observed")
    func recorded() throws {
        let board = Self.board()
        Self.record(
            [.connected(peer: "192.0.2.1:5"), Self.request, Self.answer(103), Self.answer(101)]
                + Self.message("hello", .received) + Self.message("you", .sent)
                + [.roundTrip(nanoseconds: 1_500), .paused(.sent, pendingBytes: nil)], on: board)
        let open = try #require(board.changes(since: 0).changed.first)
        #expect(open.state == "open" && open.route == "/chat?token=[redacted]" && open.peer == "192.0.2.1:5")
        #expect(open.received.messages == 1 && open.received.bytes == 5 && open.sent.bytes == 3)
        #expect(open.roundTrips == [1.5] && open.isWaiting && open.began == 0 && open.ended == nil)
        Self.record(
            [
                .resumed(.sent),
                .ended(.init(initiator: "peer", isClean: false, code: 1006, reason: "", failure: "gone")),
                .tcpEnded,
            ], on: board, from: 2000)
        let closed = try #require(board.changes(since: 0).changed.first)
        #expect(closed.state == "closed" && closed.isClean == false && !closed.isWaiting && closed.ended == 1002)
        #expect(closed.ending?.contains("1006") == true && closed.ending?.contains("gone") == true)
        #expect(board.recording().events.map(\.time).first == 0, "times are the board's")
    }

    @Test("Payloads are cut to the limit", arguments: [0, 3])
    func payloads(limit: Int) {
        let board = Self.board(payloadLimit: limit)
        Self.record(
            Self.message("hello", .received)
                + [.frame(.received, .init(opcode: 9, isMasked: true, length: 5, payload: Array("hello".utf8)))],
            on: board)
        let payloads = board.recording(of: 1).events.map { event -> [UInt8]? in
            switch event.kind {
            case .frame(_, let frame): frame.payload
            case .message(_, let message): message.payload
            default: nil
            }
        }
        let kept: [UInt8]? = limit == 0 ? nil : Array("hel".utf8)
        #expect(payloads == [kept, kept, Array("hello".utf8)], "those of control frames stay")
    }

    @Test("No more events, and no more connections that have ended, are kept than there may be")
    func limits() {
        let board = Self.board()
        Self.record(Array(repeating: Self.answer(101), count: 1000), on: board)
        let events = board.recording(of: 1).events
        #expect(events.count <= 52, "the first, the last, and a note between")
        #expect(
            events.contains { event in
                if case .note(let text) = event.kind { text.contains("events not kept") } else { false }
            })
        for connection in UInt64(2)...9 { Self.record([.tcpEnded], connection: connection, on: board) }
        #expect(board.changes(since: 0).ids == [1, 8, 9])
    }
}
