public import LifelineCore
public import NIOCore

/// A message that owns its payload.
public enum WebSocketMessage: Hashable, Sendable {
    /// A text message.
    case text(String)
    /// A binary message.
    case binary(ByteBuffer)

    /// The message's kind.
    public var kind: MessageKind {
        switch self {
        case .text: .text
        case .binary: .binary
        }
    }

    /// Creates a binary message with a copy of the given bytes.
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

    /// A copy of the payload; text as UTF-8.
    public var bytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .binary(let bytes): Array(bytes.readableBytesView)
        }
    }

    /// The size of the payload in bytes; text as UTF-8.
    public var count: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .binary(let bytes): bytes.readableBytes
        }
    }

    /// The payload as a SwiftNIO buffer; text as UTF-8.
    public var buffer: ByteBuffer {
        switch self {
        case .text(let text): ByteBuffer(string: text)
        case .binary(let bytes): bytes
        }
    }
}
