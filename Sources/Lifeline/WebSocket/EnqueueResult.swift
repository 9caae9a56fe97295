/// The result of sending a message without waiting.
@nonexhaustive(warn)
public enum EnqueueResult: Hashable, Sendable {
    /// The connection has accepted the message, and sends it unless the connection ends first.
    case sent
    /// The connection is closing or closed, so the message was not sent.
    case closed
}
