public import Lifeline

/// Who is in which room.
///
/// An actor, because members enter, leave and speak on the event loops of their connections.
public actor Rooms {
    private var members: [String: Set<WebSocket>] = [:]
    /// The most bytes that may wait for a member who reads too slowly.
    private let maximumWaiting: Int

    public init(maximumWaiting: Int = 256 << 10) {
        self.maximumWaiting = maximumWaiting
    }

    public func enter(_ room: String, _ socket: WebSocket) {
        members[room, default: []].insert(socket)
    }

    public func leave(_ room: String, _ socket: WebSocket) {
        members[room]?.remove(socket)
        if members[room]?.isEmpty == true { members[room] = nil }
    }

    /// The number of members in a room.
    public func count(in room: String) -> Int { members[room]?.count ?? 0 }

    /// Sends a line to everybody in a room.
    public func say(_ line: String, in room: String) async {
        // It is compressed once, however many members there are.
        let message = PreparedMessage(line)
        for member in members[room] ?? [] {
            // `send` would wait for a member who reads slowly, and everybody behind would wait too. `enqueue` does not wait.
            guard member.enqueue(message) == .sent else {
                leave(room, member)  // The connection is closing or closed.
                continue
            }
            // What is enqueued for a slow member takes memory, so a member too far behind is closed. Its client may come back.
            if await member.bufferedBytes > maximumWaiting {
                leave(room, member)
                Task { try await member.close(code: .tryAgainLater, reason: "you read too slowly") }
            }
        }
    }
}
