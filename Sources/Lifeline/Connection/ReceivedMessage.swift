public import LifelineCore
public import NIOCore

/// A received message in place: in the socket's read buffer if it arrived in one piece.
///
/// It is valid only during the call that provides it. Copy what must outlive the call with ``copy``, ``text`` or
/// ``buffer``.
public struct ReceivedMessage: ~Copyable {
    /// Whether the message is text, which is valid UTF-8, or binary.
    public let kind: MessageKind
    /// The bytes of the payload; valid for the lifetime of this value.
    let payload: UnsafeRawBufferPointer
    /// The buffer that keeps the bytes alive if they were copied.
    private let owner: ByteBuffer?

    @inline(__always)
    init(_ message: Connection.BorrowedMessage) {
        kind = message.kind
        payload = message.bytes
        owner = nil
    }

    /// Refers to a message from the inbox. The address of its bytes is stable, because the buffer's storage does not
    /// change while this value holds it.
    init(_ item: Inbox.Item) {
        kind = item.kind
        owner = item.bytes
        payload = item.bytes.withUnsafeReadableBytes { $0 }
    }

    /// The size of the payload in bytes.
    public var count: Int { payload.count }

    /// The payload, in place.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = RawSpan(_unsafeBytes: payload)
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// Calls a function with the payload, in place.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(payload)
    }

    /// A copy of the payload.
    public var buffer: ByteBuffer { owner ?? ByteBuffer(bytes: payload) }

    /// A copy of the payload as text. In a binary message, bytes that are not UTF-8 are replaced by U+FFFD.
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
