/// The control frames that wait to be written: at most one of each kind, whatever the peer sends
/// ([RFC 6455 §5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
struct ControlOutput: ~Copyable {
    /// The payload of the latest Ping that has not been answered (§5.5.3 allows to answer the latest alone).
    var pong: ByteStore?
    /// The number of the latest Ping that waits to be sent.
    var ping: UInt64?
    /// The Close frame; nothing is sent after it.
    var close: CloseFrame?

    var isEmpty: Bool { pong == nil && ping == nil && close == nil }
}
