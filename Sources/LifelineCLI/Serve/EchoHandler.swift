import Lifeline

/// Sends each message back on the connection's event loop, without copying it first.
struct EchoHandler: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}
