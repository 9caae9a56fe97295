import Lifeline
import LifelineLocks

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the page's script and the server say to each other: `docs/page.md` describes it.
final class PageConversation: Sendable {
    private let board: ConnectionBoard
    private let subject: String
    /// The number of the page's own connection; `nil` where that is not among those shown.
    private let own: UInt64?
    private let places: [String]
    private let socket: WebSocket
    /// The connection whose diagram is open.
    private let watched = Lock<UInt64?>(nil)

    /// How often the list is sent, at most.
    private static let listInterval = Duration.milliseconds(250)
    /// How often rows are sent, at most.
    private static let rowInterval = Duration.milliseconds(50)
    /// The most rows of a diagram; then it begins again with what follows.
    private static let maximumRows = 4000

    init(board: ConnectionBoard, subject: String, places: [String], socket: WebSocket, isShown: Bool) {
        self.board = board
        own = isShown ? socket.id : nil
        self.subject = subject
        self.places = places
        self.socket = socket
    }

    // MARK: What is said

    private struct Hello: Codable {
        var type = "hello"
        /// Whose connections are shown; may be empty.
        var subject: String
        var places: [String]
        var payloads: Bool
        /// The number of the page's own connection; `null` where that is not among those shown.
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
        /// The place of the first of the rows; those behind it are replaced.
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

    // MARK: The conversation

    func run() async throws {
        try await say(Hello(subject: subject, places: places, payloads: board.payloadLimit > 0, own: own))
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.listen() }
            group.addTask { try await self.tellList() }
            group.addTask { try await self.tellRows() }
            // Whichever ends first, the page's connection most likely, ends all.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func say(_ value: some Encodable) async throws {
        let data = try JSONEncoder().encode(value)
        try await socket.send(String(decoding: data, as: UTF8.self))
    }

    private func listen() async throws {
        for try await message in socket {
            guard case .text(let text) = message, let wish = PageWish(text) else {
                _ = try await socket.close(code: .unsupportedData, reason: "no wish that is known")
                return
            }
            watched.withLock { $0 = wish.watch }
        }
    }

    private func tellList() async throws {
        var version: UInt64 = 0
        var count = -1
        while true {
            let (changed, ids, next, now) = board.changes(since: version)
            if next != version || ids.count != count && !ids.isEmpty {
                // What the page is told makes the page's own connection change, and is no news.
                let news = changed.filter { $0.id != own || count < 0 }
                if !news.isEmpty || ids.count != count {
                    try await say(List(now: now, changed: news, ids: ids))
                }
                version = next
                count = ids.count
            }
            try await Task.sleep(for: PageConversation.listInterval)
        }
    }

    private func tellRows() async throws {
        var drawn: (connection: UInt64, builder: DiagramBuilder, next: Int, told: Int)?
        while true {
            let wish = watched.withLock { $0 }
            if wish != drawn?.connection { drawn = nil }
            // The page's own connection would tell of what it tells.
            if let wish, wish != own {
                let from = drawn?.next ?? 0
                if let (events, next) = board.events(of: wish, from: from), let first = events.first {
                    var builder =
                        drawn?.builder
                        ?? DiagramBuilder(options: SequenceDiagram.Options(), observer: first.observer)
                    var told = drawn?.told ?? 0
                    var isNew = drawn == nil
                    if builder.rows.count > PageConversation.maximumRows {
                        builder = DiagramBuilder(options: SequenceDiagram.Options(), observer: first.observer)
                        told = 0
                        isNew = true
                    }
                    for event in events { builder.add(event) }
                    // The last rows may have been told more of since.
                    let start = isNew ? 0 : max(0, told - 8)
                    try await say(
                        Rows(
                            connection: wish, from: start, rows: builder.rows[start...].map(PageConversation.row),
                            isNew: isNew))
                    drawn = (wish, builder, next, builder.rows.count)
                }
            }
            try await Task.sleep(for: PageConversation.rowInterval)
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
