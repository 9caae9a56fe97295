public import LifelineCore
public import NIOCore

/// A message that owns its content.
public enum WebSocketMessage: Hashable, Sendable {
    /// Text.
    case text(String)
    /// Bytes.
    case binary(ByteBuffer)

    /// The message's kind.
    public var kind: MessageKind {
        switch self {
        case .text: .text
        case .binary: .binary
        }
    }

    /// A binary message with the given bytes.
    public static func binary(_ bytes: some Sequence<UInt8>) -> WebSocketMessage {
        .binary(ByteBuffer(bytes: bytes))
    }

    init(_ kind: MessageKind, _ bytes: ByteBuffer) {
        self = kind == .text ? .text(String(buffer: bytes)) : .binary(bytes)
    }

    /// The content as bytes; text as UTF-8.
    public var buffer: ByteBuffer {
        switch self {
        case .text(let text): ByteBuffer(string: text)
        case .binary(let bytes): bytes
        }
    }
}
