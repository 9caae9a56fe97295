import LifelineCore

/// Receives a connection's messages on its loop, as they arrive.
protocol ConnectionReceiver: AnyObject {
    /// A message has arrived. It is valid until the call returns.
    func received(_ message: borrowing ReceivedMessage)

    /// The transport takes bytes again.
    func writable()

    /// The connection has ended. This is the last call.
    func closed(_ outcome: CloseOutcome)
}
