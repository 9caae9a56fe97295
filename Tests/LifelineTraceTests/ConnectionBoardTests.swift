import Lifeline
import Testing

@testable import LifelineTrace

@Suite("The connection board") struct ConnectionBoardTests {
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
                at: MonotonicInstant(nanoseconds: start + Int64(index)))
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

    @Test("A connection that loads only the page's own files is left out")
    func ownFiles() throws {
        let board = Self.board()
        board.exclude(["/lifeline", "/lifeline/app.js"])
        func get(_ target: String) -> TraceEvent.Kind { .request(.received, .init(method: "GET", target: target)) }
        let end = [
            TraceEvent.Kind.ended(.init(initiator: .peer, isClean: false, code: 1006, reason: "", failure: "gone")),
            .tcpEnded,
        ]
        let opening = TraceEvent.Kind.connected(peer: "192.0.2.1:5")
        Self.record(
            [opening, get("/lifeline?token=x"), Self.answer(200), get("/lifeline/app.js"), Self.answer(200)] + end,
            connection: 1, on: board)
        #expect(board.changes(since: 0).ids.isEmpty && board.recording().events.isEmpty)
        Self.record([opening, get("/"), Self.answer(200)] + end, connection: 2, on: board)
        Self.record(
            [opening, get("/lifeline"), Self.answer(200), get("/chat"), Self.answer(101)], connection: 3, on: board)
        Self.record(
            [opening, get("/"), Self.answer(200), get("/lifeline"), Self.answer(200)] + end, connection: 4, on: board)
        let shown = board.changes(since: 0).changed
        #expect(shown.map(\.id) == [2, 3, 4] && shown.map(\.state) == ["http", "open", "http"])
        #expect(shown[0].isClean == nil && shown[0].ended != nil && shown[2].route == "/" && shown[2].ended != nil)
    }

    @Test("The page's own connections do not displace others")
    func ownTakeNoRoom() {
        var options = ConnectionBoard.Options()
        options.maximumBytes = 100_000
        options.maximumEnded = 10
        let board = ConnectionBoard(options: options)
        board.exclude(["/lifeline"])
        for connection in UInt64(100)..<1100 {
            Self.record(
                [
                    .connected(peer: "192.0.2.1:5"), .request(.received, .init(method: "GET", target: "/lifeline")),
                    Self.answer(403), .tcpEnded,
                ], connection: connection, on: board)
        }
        for connection in UInt64(1)...10 {
            Self.record(
                [.connected(peer: "192.0.2.1:5"), Self.request, Self.answer(101), .tcpEnded], connection: connection,
                on: board)
        }
        #expect(board.changes(since: 0).ids == Array(1...10))
        #expect(board.events(of: 10, from: 0)?.events.count == 4)
    }

    @Test("A recorded event is shown as an observed one is")
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
                .ended(.init(initiator: .peer, isClean: false, code: 1006, reason: "", failure: "gone")),
                .tcpEnded,
            ], on: board, from: 2000)
        let closed = try #require(board.changes(since: 0).changed.first)
        #expect(closed.state == "closed" && closed.isClean == false && !closed.isWaiting && closed.ended == 1002)
        #expect(closed.ending?.contains("1006") == true && closed.ending?.contains("gone") == true)
        #expect(board.recording().events.map(\.time).first == 0, "times are the board's")
    }

    @Test("Payloads of data frames are cut to payloadLimit", arguments: [0, 3])
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

    @Test("The board keeps at most maximumEvents events and maximumEnded ended connections")
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

    @Test(
        "The board keeps the newest events, at most maximumEvents",
        arguments: [Int.min, -1, 0, 1, 2, 3, 4, 5, 7, 40, 400])
    func maximumEvents(maximum: Int) {
        var options = ConnectionBoard.Options()
        options.maximumEvents = maximum
        let board = ConnectionBoard(options: options)
        for number in 0..<2000 {
            Self.record([.roundTrip(nanoseconds: Int64(number))], on: board, from: Int64(number))
            let events = board.recording(of: 1).events
            let kept = events.filter { if case .roundTrip = $0.kind { true } else { false } }
            #expect(kept.count <= max(maximum, 1))
            #expect(kept.last?.kind == .roundTrip(nanoseconds: Int64(number)), "the last one is there")
            #expect(events.count - kept.count <= 1, "a note")
        }
    }

    @Test("A failed attempt counts as an ended connection")
    func failedAttempts() throws {
        let board = Self.board()
        for connection in UInt64(1)...9 {
            Self.record(
                [.connecting(host: "h", port: 1), .connectFailed(reason: "nobody listens")], connection: connection,
                on: board)
        }
        let (changed, ids, _, _) = board.changes(since: 0)
        #expect(ids == [8, 9])
        let last = try #require(changed.last)
        #expect(last.state == "closed" && last.ended != nil && last.isClean == false && last.ending == "nobody listens")
    }

    @Test("A repeated end counts once, and a negative maximumEnded keeps none")
    func twice() {
        let board = Self.board()
        for connection in UInt64(1)...2 {
            Self.record([.tcpEnded, .tcpEnded, .tcpEnded], connection: connection, on: board)
        }
        #expect(board.changes(since: 0).ids == [1, 2])
        var options = ConnectionBoard.Options()
        options.maximumEnded = -1
        let none = ConnectionBoard(options: options)
        Self.record([.tcpEnded], on: none)
        #expect(none.changes(since: 0).ids.isEmpty)
    }

    private static func bounded(_ bytes: Int) -> ConnectionBoard {
        var options = ConnectionBoard.Options()
        options.payloadLimit = 4096
        options.maximumBytes = bytes
        return ConnectionBoard(options: options)
    }

    /// About what is kept.
    private static func bytes(_ board: ConnectionBoard) -> Int {
        board.recording().events.reduce(0) { $0 + $1.approximateSize }
    }

    private static let big = message(String(repeating: "x", count: 4096), .received)

    @Test("The connections that ended first are removed first to keep to maximumBytes")
    func memory() {
        let board = Self.bounded(200_000)
        for connection in UInt64(1)...20 {
            Self.record(Self.big + Self.big + [.tcpEnded], connection: connection, on: board)
            #expect(Self.bytes(board) <= 200_000)
        }
        let ids = board.changes(since: 0).ids
        #expect(ids.count >= 8 && ids.count < 15, "\(ids)")
        #expect(ids == Array((21 - UInt64(ids.count))...20), "the last ones are there")
        // One that is open takes the place of all that have ended.
        for _ in 0..<30 { Self.record(Self.big, connection: 99, on: board) }
        #expect(board.changes(since: 0).ids == [99] && Self.bytes(board) <= 200_000)
    }

    @Test("The largest open connections lose their older events to keep to maximumBytes")
    func memoryOfOpen() throws {
        let board = Self.bounded(200_000)
        for connection in UInt64(1)...3 { Self.record([.connected(peer: "p")], connection: connection, on: board) }
        for number in 0..<200 {
            Self.record(Self.big, connection: 2, on: board, from: Int64(number))
            #expect(Self.bytes(board) <= 200_000)
        }
        #expect(board.changes(since: 0).ids == [1, 2, 3])
        #expect(board.recording(of: 1).events.count == 1 && board.recording(of: 3).events.count == 1)
        let events = board.recording(of: 2).events
        #expect(events.count > 20 && events.contains { if case .note = $0.kind { true } else { false } })
        let (_, next) = try #require(board.events(of: 2, from: 0))
        #expect(next == 401)
        let last = try #require(board.events(of: 2, from: 399)?.events)
        #expect(last.count == 2)
    }

    @Test("A maximumBytes of zero keeps no events, and a long target is cut in the list")
    func noMemory() {
        let board = Self.bounded(0)
        for connection in UInt64(1)...5 { Self.record(Self.big, connection: connection, on: board) }
        #expect(board.recording().events.isEmpty && board.changes(since: 0).ids.count == 5)
        let whole = Self.bounded(64 << 20)
        let target = "/" + String(repeating: "a", count: 60_000)
        Self.record([.request(.received, .init(method: "GET", target: target))], on: whole)
        #expect(whole.changes(since: 0).changed[0].route.utf8.count < 1100)
    }

    @Test("The byte count stops at the largest number")
    func announced() {
        let board = Self.board()
        let frame = TraceEvent.Kind.frame(.received, .init(opcode: 1, isMasked: true, length: .max))
        Self.record(Self.message("x", .received) + [frame, frame], on: board)
        #expect(board.changes(since: 0).changed[0].received.bytes == .max)
    }

    @Test("A request of the page is read")
    func wishes() {
        #expect(PageRequest(#"{"watch":18446744073709551615}"#)?.watch == .max)
        #expect(PageRequest(#"{"watch":null}"#) != nil && PageRequest("{}") != nil)
    }

    @Test(
        "A malformed request of the page is refused",
        arguments: [
            "", "[]", #"{"watch":-1}"#, #"{"watch":18446744073709551616}"#, #"{"watch":1e300}"#, #"{"watch":"1"}"#,
            String(repeating: "[", count: 999), #"{"watch":1}"# + String(repeating: " ", count: 1000),
        ])
    func malformedRequests(text: String) {
        #expect(PageRequest(text) == nil)
    }
}
