import HTTPTypes
public import Lifeline

/// The members of each room. An actor, because members enter, leave and speak on the event loops of their connections.
public actor Rooms {
    private var members: [String: Set<WebSocket>] = [:]
    /// The most bytes that may wait for a member who reads too slowly.
    private let maximumWaiting: Int

    public init(maximumWaiting: Int = 256 << 10) {
        self.maximumWaiting = maximumWaiting
    }

    /// The number of members in a room.
    public func count(in room: String) -> Int { members[room]?.count ?? 0 }

    func enter(_ room: String, _ socket: WebSocket) { members[room, default: []].insert(socket) }

    func leave(_ room: String, _ socket: WebSocket) {
        members[room]?.remove(socket)
        if members[room]?.isEmpty == true { members[room] = nil }
    }

    /// Sends a line to everybody in a room.
    func say(_ line: String, in room: String) async {
        // It is compressed once, however many members there are.
        let message = PreparedMessage(line)
        for member in members[room] ?? [] {
            // `send` would wait for a member who reads slowly, and everybody behind would wait too. `enqueue` does not wait.
            if member.enqueue(message) != .sent {
                leave(room, member)  // The connection is closing or closed.
            } else if await member.bufferedBytes > maximumWaiting {
                // What is enqueued takes memory, so a member too far behind is closed. Its client may come back.
                leave(room, member)
                Task { try await member.close(code: .tryAgainLater, reason: "you read too slowly") }
            }
        }
    }
}

extension WebSocketServer {
    /// Adds a chat at `/rooms/NAME`.
    ///
    /// - Parameter findUser: Returns the name of the user whose token this is, from a database for example.
    public mutating func addChat(_ rooms: Rooms, findUser: @escaping @Sendable (String) async throws -> String?) {
        route("/rooms/{room}") { upgrade in
            // This runs before the server answers, so a stranger gets 401 and never a WebSocket. Browsers cannot set
            // Authorization on a WebSocket; they can send a cookie, or a short-lived token in the query.
            let field = upgrade.headerFields[.authorization] ?? ""
            let token = field.hasPrefix("Bearer ") ? String(field.dropFirst(7)) : upgrade.query["token"]
            guard let token, let name = try await findUser(token) else {
                throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
            }
            // The handler below gets this value with the connection.
            return .accept((name: name, room: upgrade.parameters["room"] ?? ""))
        } handler: { socket, member in
            await rooms.enter(member.room, socket)
            do {
                // A line has a limit of its own. A longer one closes the connection with 1009 before all has arrived.
                while let message = try await socket.receive(upTo: 4096) {
                    // The client learns what it did wrong. Any other error would close with 1011, without a reason.
                    guard let text = message.text else {
                        throw WebSocketCloseError(code: .unsupportedData, reason: "this chat is for text")
                    }
                    await rooms.say("\(member.name): \(text)", in: member.room)
                }
                await rooms.leave(member.room, socket)
            } catch {
                await rooms.leave(member.room, socket)
                throw error
            }
        }
    }
}
