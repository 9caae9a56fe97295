import Lifeline
import LifelineCore

extension WebSocket {
    /// Sends each message back until the connection ends, or there have been as many.
    func echo(_ count: Int = .max, compress: MessageCompression = .automatic) async throws {
        guard count > 0 else { return }
        var sent = 0
        for try await message in self {
            try await send(message, compress: compress)
            sent += 1
            if sent == count { break }
        }
    }

    /// Sends as many messages back as binary ones, with a fragment for each piece as soon as it has come.
    func echoChunks(_ count: Int, compress: MessageCompression) async throws {
        guard count > 0 else { return }
        var sent = 0
        for try await message in incoming {
            try await send(fragments: message, compress: compress)
            sent += 1
            if sent == count { break }
        }
    }
}

/// Sends each message back on the event loop.
struct OnLoopEcho: OnLoopHandler {
    /// Where to say what happens; `nil` says nothing.
    var reporter: Reporter?
    var compress = MessageCompression.automatic

    func opened(_ socket: OnLoopWebSocket) {
        reporter?.opened(socket.handshake)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message, compress: compress)
    }

    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
        reporter?.ended(outcome, socket.compressionStatistics)
    }
}
