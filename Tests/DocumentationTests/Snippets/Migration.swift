import HTTPTypes
import Lifeline

// docs/migration.md

func migrateQuery(_ socket: WebSocket) {
    let token = socket.handshake.query["token"]
    let text = socket.handshake.request.path?.split(separator: "?", maxSplits: 1).dropFirst().first
    _ = (token, text)
}

func migrateEnqueue(_ socket: WebSocket, _ members: Set<WebSocket>, _ update: PreparedMessage) {
    var subscribers = members
    if socket.enqueue(update) == .closed { subscribers.remove(socket) }
    switch socket.enqueue(update) {
    case .sent: break
    case .closed: subscribers.remove(socket)
    @unknown default: break
    }
}

func migrateAuthorisation(_ server: inout WebSocketServer, secret: String) {
    server.route("/feed") { upgrade in
        guard upgrade.query["token"] == secret else { throw HandshakeRefusal(.unauthorized) }
        return .accept()
    } handler: { socket, _ in
        try await socket.send("welcome")
    }
}

func migrateErrors() throws {
    throw WebSocketCloseError(code: .unsupportedData, reason: "this service is for text")
}

func migrateMessages(_ socket: WebSocket) async throws {
    for try await message in socket {
        print(message.text ?? "\(message.count) bytes")
    }
}
