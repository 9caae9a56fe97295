import LifelineCore

/// An on-loop handler together with its connection, in one reference.
final class OnLoopReceiver: ConnectionReceiver {
    private let handler: any OnLoopHandler
    private let socket: OnLoopWebSocket

    init(_ handler: any OnLoopHandler, _ socket: OnLoopWebSocket) {
        self.handler = handler
        self.socket = socket
    }

    func opened() {
        handler.opened(socket)
    }

    @inline(__always)
    func received(_ message: borrowing ReceivedMessage) {
        handler.received(message, on: socket)
    }

    func writable() {
        handler.writable(socket)
    }

    func closed(_ outcome: CloseOutcome) {
        handler.closed(outcome, on: socket)
    }
}

extension Connection {
    /// Makes an on-loop handler receive all further messages.
    func handle(with handler: any OnLoopHandler, _ handshake: WebSocketHandshake) {
        let receiver = OnLoopReceiver(handler, OnLoopWebSocket(handle: handle, handshake: handshake))
        self.receiver = .handler(receiver)
        receiver.opened()
    }
}
