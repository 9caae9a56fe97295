/// What became of a message that was sent without waiting.
///
/// Minor versions may add cases: a `switch` needs a `default`.
public enum EnqueueResult: Hashable, Sendable {
    /// The message was handed to the connection, and is sent unless the connection ends first.
    case sent
    /// The connection is closing or closed, so the message was not sent.
    case closed
}
