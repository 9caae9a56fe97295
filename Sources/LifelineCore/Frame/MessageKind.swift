/// The two kinds of message ([RFC 6455 §5.6](https://www.rfc-editor.org/rfc/rfc6455#section-5.6)).
@frozen
public enum MessageKind: Hashable, Sendable {
    /// UTF-8 text. An endpoint checks received text before it hands it out.
    case text
    /// Bytes whose meaning the application defines.
    case binary

    /// The opcode of the message's first frame.
    @inlinable
    public var opcode: Opcode { self == .text ? .text : .binary }
}
