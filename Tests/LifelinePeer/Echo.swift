import Lifeline
import LifelineCore

extension WebSocket {
    /// Sends each message back until the connection ends.
    func echo() async throws {
        for try await message in self { try await send(message) }
    }
}

/// Sends each message back on the event loop.
struct OnLoopEcho: OnLoopHandler {
    /// Where to say what happens; `nil` says nothing.
    var reporter: Reporter?

    func opened(_ socket: OnLoopWebSocket) {
        reporter?.opened(socket.handshake)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }

    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
        reporter?.ended(outcome)
    }
}
