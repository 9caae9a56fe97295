public import LifelineCore
public import NIOCore

/// A message where it lies: in the socket's read buffer, where it came in one piece.
///
/// It is borrowed, and cannot be kept: what is to outlive the call is copied out of it.
public struct ReceivedMessage: ~Copyable {
    /// Whether it is text, which has been checked to be UTF-8, or binary.
    public let kind: MessageKind
    /// The bytes; valid for as long as the value.
    let payload: UnsafeRawBufferPointer
    /// What keeps the bytes alive, where they were copied.
    private let owner: ByteBuffer?

    @inline(__always)
    init(_ message: Connection.BorrowedMessage) {
        kind = message.kind
        payload = message.bytes
        owner = nil
    }

    /// A message that was kept. Its bytes lie still: the buffer's storage is not changed while the value holds it.
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
            // It has been checked as it arrived; what follows does not check it again.
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
