import Lifeline
import LifelineLocks

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The server's side of the page's WebSocket (`docs/page.md` describes the messages).
final class PageSession: Sendable {
    private let board: ConnectionBoard
    private let subject: String
    /// The number of the page's own connection, or `nil` if the page does not show it.
    private let own: UInt64?
    private let places: [String]
    private let socket: WebSocket
    /// The connection whose diagram is open.
    private let watched = Lock<UInt64?>(nil)

    /// How often the list is sent, at most.
    private static let listInterval = Duration.milliseconds(250)
    /// How often rows are sent, at most.
    private static let rowInterval = Duration.milliseconds(50)
    /// The most rows of a diagram. After them, it begins again.
    private static let maximumRows = 4000

    init(board: ConnectionBoard, subject: String, places: [String], socket: WebSocket, isShown: Bool) {
        self.board = board
        own = isShown ? socket.id : nil
        self.subject = subject
        self.places = places
        self.socket = socket
    }

    // MARK: Messages

    private struct Hello: Codable {
        var type = "hello"
        /// Whose connections the page shows; may be empty.
        var subject: String
        var places: [String]
        var payloads: Bool
        /// The number of the page's own connection; `null` if the page does not show it.
        var own: UInt64?
    }

    private struct List: Codable {
        var type = "list"
        var now: Int64
        var changed: [ConnectionBoard.Summary]
        var ids: [UInt64]
    }

    private struct Rows: Codable {
        var type = "rows"
        var connection: UInt64
        /// The index of the first of the rows. They replace the rows from there on.
        var from: Int
        var rows: [Row]
        /// Whether the diagram begins here.
        var isNew: Bool
    }

    private struct Row: Codable {
        var kind: String
        var time: Int64?
        var number: Int?
        var from: String?
        var style: String?
        var label: String?
        var content: String?
        var details: [String]?
        var side: String?
        var warning: Bool?
        var base64: String?
    }

    // MARK: The session

    func run() async throws {
        try await send(Hello(subject: subject, places: places, payloads: board.payloadLimit > 0, own: own))
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.listen() }
            group.addTask { try await self.sendList() }
            group.addTask { try await self.sendRows() }
            // When one task ends, most likely because the connection has ended, all end.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func send(_ value: some Encodable) async throws {
        let data = try JSONEncoder().encode(value)
        try await socket.send(String(decoding: data, as: UTF8.self))
    }

    private func listen() async throws {
        for try await message in socket {
            guard case .text(let text) = message, let request = PageRequest(text) else {
                _ = try await socket.close(code: .unsupportedData, reason: "unknown request")
                return
            }
            watched.withLock { $0 = request.watch }
        }
    }

    private func sendList() async throws {
        var version: UInt64 = 0
        var count = -1
        while true {
            let (changed, ids, next, now) = board.changes(since: version)
            if next != version || ids.count != count && !ids.isEmpty {
                // Sending the list changes the page's own connection, which is no reason to send it again.
                let news = changed.filter { $0.id != own || count < 0 }
                if !news.isEmpty || ids.count != count {
                    try await send(List(now: now, changed: news, ids: ids))
                }
                version = next
                count = ids.count
            }
            try await Task.sleep(for: PageSession.listInterval)
        }
    }

    private func sendRows() async throws {
        var drawn: (connection: UInt64, builder: DiagramBuilder, next: Int, sent: Int)?
        while true {
            let watched = watched.withLock { $0 }
            if watched != drawn?.connection { drawn = nil }
            // Drawing the page's own connection would trace the page's own traffic.
            if let watched, watched != own {
                let from = drawn?.next ?? 0
                if let (events, next) = board.events(of: watched, from: from), let first = events.first {
                    var builder =
                        drawn?.builder
                        ?? DiagramBuilder(options: SequenceDiagram.Options(), observer: first.observer)
                    var sent = drawn?.sent ?? 0
                    var isNew = drawn == nil
                    if builder.rows.count > PageSession.maximumRows {
                        builder = DiagramBuilder(options: SequenceDiagram.Options(), observer: first.observer)
                        sent = 0
                        isNew = true
                    }
                    for event in events { builder.add(event) }
                    // Later events may have changed the last rows.
                    let start = isNew ? 0 : max(0, sent - 8)
                    try await send(
                        Rows(
                            connection: watched, from: start, rows: builder.rows[start...].map(PageSession.row),
                            isNew: isNew))
                    drawn = (watched, builder, next, builder.rows.count)
                }
            }
            try await Task.sleep(for: PageSession.rowInterval)
        }
    }

    private static func row(_ row: SequenceDiagram.Row) -> Row {
        switch row {
        case .phase(let phase): return Row(kind: "phase", label: phase.rawValue)
        case .arrow(let arrow):
            return Row(
                kind: "arrow", time: arrow.time, number: arrow.number, from: arrow.from.rawValue,
                style: arrow.style.rawValue, label: arrow.label, content: arrow.content, details: arrow.details,
                base64: arrow.payload.map { Data($0).base64EncodedString() })
        case .note(let note):
            return Row(
                kind: "note", time: note.time, label: note.text, side: note.side?.rawValue, warning: note.isWarning)
        case .pause, .repeats: return Row(kind: "other")
        }
    }
}
