import LifelineCore

/// Receives a connection's messages on its loop as they arrive.
protocol ConnectionReceiver: AnyObject {
    /// Called when a message has arrived. The message is valid until the call returns.
    func received(_ message: borrowing ReceivedMessage)

    /// Called when the transport is writable again.
    func writable()

    /// Called last, when the connection has ended.
    func closed(_ outcome: CloseOutcome)
}
