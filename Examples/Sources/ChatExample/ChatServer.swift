import HTTPTypes
public import Lifeline

/// Who is at the other end of a connection.
public struct User: Sendable {
    public let name: String

    public init(name: String) {
        self.name = name
    }
}

/// What the handler of a connection needs to know.
struct Seat: Sendable {
    let user: User
    let room: String
}

extension WebSocketServer {
    /// Adds a chat at `/rooms?room=NAME`.
    ///
    /// - Parameters:
    ///   - rooms: The rooms.
    ///   - verify: Finds the user that a token belongs to, in a database for example.
    public mutating func addChat(_ rooms: Rooms, verify: @escaping @Sendable (String) async throws -> User?) {
        route("/rooms") { request in
            // This runs before the server answers, so a stranger gets 401 and never a WebSocket. Browsers cannot set
            // Authorization on a WebSocket; they can send a cookie, or a short-lived token in the query.
            let bearer = request.headerFields[.authorization].flatMap { field in
                field.hasPrefix("Bearer ") ? String(field.dropFirst(7)) : nil
            }
            guard let token = bearer ?? request.query["token"], let user = try await verify(token) else {
                throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
            }
            guard let room = request.query["room"], !room.isEmpty else {
                throw HandshakeRefusal(.badRequest, body: Array("the query has no room\n".utf8))
            }
            // The handler below gets this value with the connection.
            return .accept(Seat(user: user, room: room))
        } handler: { socket, seat in
            await rooms.enter(seat.room, socket)
            do {
                try await rooms.hear(socket, seat.user, in: seat.room)
                await rooms.leave(seat.room, socket)
            } catch {
                await rooms.leave(seat.room, socket)
                throw error
            }
        }
    }
}

extension Rooms {
    /// Passes on what a member says, until the connection ends.
    nonisolated func hear(_ socket: WebSocket, _ user: User, in room: String) async throws {
        // A line has a limit of its own. A longer one closes the connection with 1009 before all of it has arrived.
        while let message = try await socket.receive(upTo: 4096) {
            guard let text = message.text else {
                // The client learns what it did wrong. Any other error would close the connection with 1011, without a reason.
                throw WebSocketCloseError(code: .unsupportedData, reason: "this chat is for text")
            }
            await say("\(user.name): \(text)", in: room)
        }
    }
}
