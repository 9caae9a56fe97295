/// The control frames that wait to be written: at most one of each kind, whatever the peer sends
/// ([RFC 6455 §5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
struct ControlOutput: ~Copyable {
    /// The payload of the Pong to send: that of the peer's latest Ping (§5.5.3 allows answering only the latest).
    var pong: ByteStore?
    /// The number of the Ping to send.
    var ping: UInt64?
    /// The Close frame to send. Nothing is sent after it.
    var close: CloseFrame?

    var isEmpty: Bool { pong == nil && ping == nil && close == nil }
}
