public import LifelineCore
public import NIOCore

/// A received message, in the memory into which it was received.
///
/// It is borrowed and cannot be kept. Use ``copy``, ``text`` or ``buffer`` for contents that outlive the call.
public struct ReceivedMessage: ~Copyable {
    /// Whether the message is text, which has been checked to be UTF-8, or binary.
    public let kind: MessageKind
    /// The bytes, which are valid as long as the value.
    let payload: UnsafeRawBufferPointer
    /// The owner of the bytes if they were copied.
    private let owner: ByteBuffer?

    @inline(__always)
    init(_ message: Connection.BorrowedMessage) {
        kind = message.kind
        payload = message.bytes
        owner = nil
    }

    /// Makes a value of a message from the inbox. The pointer stays valid: the value holds the buffer's storage, and nobody
    /// changes it.
    init(_ item: Inbox.Item) {
        kind = item.kind
        owner = item.bytes
        payload = item.bytes.withUnsafeReadableBytes { $0 }
    }

    /// The number of bytes.
    public var count: Int { payload.count }

    /// The bytes, in place.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = RawSpan(_unsafeBytes: payload)
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// Calls a function with the bytes, in place.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(payload)
    }

    /// A copy of the bytes.
    public var buffer: ByteBuffer { owner ?? ByteBuffer(bytes: payload) }

    /// A copy of the bytes as text. The bytes of a binary message that are not UTF-8 are replaced by U+FFFD.
    public var text: String {
        if kind == .text, #available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *) {
            // The text was checked as it arrived, so it is not checked again.
            let span = UTF8Span(unchecked: Span<UInt8>(_unsafeElements: payload.assumingMemoryBound(to: UInt8.self)))
            return String(copying: span)
        }
        return String(decoding: payload, as: UTF8.self)
    }

    /// A copy of the message.
    public var copy: WebSocketMessage {
        kind == .text ? .text(text) : .binary(buffer)
    }
}
