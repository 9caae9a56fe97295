/// The two kinds of message ([RFC 6455 §5.6](https://www.rfc-editor.org/rfc/rfc6455#section-5.6)).
@frozen
public enum MessageKind: Hashable, Sendable {
    /// UTF-8 text, checked before it is handed out.
    case text
    /// Bytes of the application's own meaning.
    case binary

    /// The opcode of the message's first frame.
    @inlinable
    public var opcode: Opcode { self == .text ? .text : .binary }
}
