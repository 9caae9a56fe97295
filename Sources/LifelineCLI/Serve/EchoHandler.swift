import Lifeline

/// Sends each message back from where it lies, on the connection's event loop.
struct EchoHandler: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}
