public import LifelineCore

/// Handles one connection's messages on its event loop, the moment they arrive: no task, no hop, no copy.
///
/// For servers that answer from memory, and count microseconds. A handler must not block: all connections of its loop
/// wait meanwhile. Its calls come one at a time, so that its state needs no lock. Everything else, the opening and
/// closing handshakes, heartbeats and limits, is the same as with asynchronous handlers.
public protocol OnLoopHandler {
    /// The connection is open.
    func opened(_ socket: OnLoopWebSocket)
    /// A message has arrived.
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket)
    /// The transport takes more, after a send had said that it does not.
    func writable(_ socket: OnLoopWebSocket)
    /// The connection has ended. It is the last call.
    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket)
}

extension OnLoopHandler {
    public func opened(_ socket: OnLoopWebSocket) {}
    public func writable(_ socket: OnLoopWebSocket) {}
    public func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {}
}
