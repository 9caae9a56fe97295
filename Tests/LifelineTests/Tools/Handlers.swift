@testable import Lifeline

/// Sends each message back, as a task.
let echo: WebSocketServer.Handler = { socket in
    for try await message in socket { try await socket.send(message) }
}

/// Sends each message back from where it lies, as a task.
let echoInPlace: WebSocketServer.Handler = { socket in
    while try await socket.receive({ socket.enqueue($0) }) != nil {}
}

/// Sends each message back, on the loop.
struct OnLoopEcho: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}

extension WebSocket {
    /// The next message, or `nil` after the last.
    func receiveCopy() async throws -> WebSocketMessage? {
        try await receive { $0.copy }
    }

    /// All messages to come.
    func all() async throws -> [WebSocketMessage] {
        var messages: [WebSocketMessage] = []
        for try await message in self { messages.append(message) }
        return messages
    }
}

extension RouteGroup where Value == Void {
    /// Has connections to `/` handled by a task.
    mutating func route(handler: @escaping WebSocketServer.Handler) {
        route("/", handler: handler)
    }

    /// Has connections to a path handled on the loop.
    mutating func routeOnLoop(_ path: String = "/", makeHandler: @escaping @Sendable () -> any OnLoopHandler) {
        routeOnLoop(path) { _ in makeHandler() }
    }
}
