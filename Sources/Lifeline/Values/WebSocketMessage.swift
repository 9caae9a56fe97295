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

    /// A binary message with a copy of the given bytes.
    public static func binary(_ bytes: some Sequence<UInt8>) -> WebSocketMessage {
        .binary(ByteBuffer(bytes: bytes))
    }

    init(_ kind: MessageKind, _ bytes: ByteBuffer) {
        self = kind == .text ? .text(String(buffer: bytes)) : .binary(bytes)
    }

    /// The text; `nil` if the message is binary.
    public var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// A copy of the content; text as UTF-8.
    public var bytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .binary(let bytes): Array(bytes.readableBytesView)
        }
    }

    /// The size of the content, in bytes; text as UTF-8.
    public var count: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .binary(let bytes): bytes.readableBytes
        }
    }

    /// The content as a buffer of SwiftNIO's; text as UTF-8.
    public var buffer: ByteBuffer {
        switch self {
        case .text(let text): ByteBuffer(string: text)
        case .binary(let bytes): bytes
        }
    }
}
