public import LifelineCore

/// Handles one connection's messages on its event loop as soon as they arrive, without a task, a hop or a copy.
///
/// It is for servers that answer from memory and need very low latency. A handler must not block, because all
/// connections of its loop would wait. The loop makes one call at a time, so the handler's state needs no lock. The
/// handshakes, heartbeats and limits are the same as with asynchronous handlers.
public protocol OnLoopHandler {
    /// Called once, when the connection is open.
    func opened(_ socket: OnLoopWebSocket)
    /// Called when a message has arrived. The message is valid until the call returns.
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket)
    /// Called when the transport is writable again after a send returned ``OnLoopWebSocket/SendResult/sentButFull``.
    func writable(_ socket: OnLoopWebSocket)
    /// Called last, when the connection has ended.
    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket)
}

extension OnLoopHandler {
    public func opened(_ socket: OnLoopWebSocket) {}
    public func writable(_ socket: OnLoopWebSocket) {}
    public func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {}
}
