public import LifelineCore
import LifelineLocks
public import NIOCore

/// A message that goes to many connections, and is compressed only once for all that have agreed on the same window.
///
/// ```swift
/// let update = PreparedMessage(json)
/// for socket in subscribers { socket.enqueue(update) }
/// ```
///
/// Each connection sends the message as its agreement requires: without compression, or compressed from an empty
/// window, which is valid with context takeover too (RFC 7692 §7.1.1). That compresses a little less well than with the
/// window of the previous messages, but costs each connection a copy of the bytes instead of a compression.
public final class PreparedMessage: Sendable {
    /// Whether the message is text or binary.
    public let kind: MessageKind
    /// The payload before compression; text as UTF-8.
    public let payload: ByteBuffer
    private let compress: MessageCompression
    /// The compressed payloads, one for each kind of compressor; `nil` if compression does not make the payload
    /// shorter.
    private let variants = Lock<[(kind: CompressorKind, payload: ByteBuffer?)]>([])

    /// Prepares a message.
    ///
    /// - Parameters:
    ///   - message: The message.
    ///   - compress: Whether the message is compressed, if compression is agreed.
    public init(_ message: WebSocketMessage, compress: MessageCompression = .automatic) {
        kind = message.kind
        payload = message.buffer
        self.compress = compress
    }

    /// Prepares a text message.
    public convenience init(_ text: String, compress: MessageCompression = .automatic) {
        self.init(.text(text), compress: compress)
    }

    /// Prepares a binary message.
    public convenience init(_ bytes: ByteBuffer, compress: MessageCompression = .automatic) {
        self.init(.binary(bytes), compress: compress)
    }

    /// Returns the compressed payload for a connection; `nil` if the connection sends the payload uncompressed.
    ///
    /// Loops do not wait for each other while they compress: if two need the same payload at once, both compress it,
    /// and one result is kept. A failure to allocate memory for the compressor is not recorded.
    func compressed(for endpoint: UnsafeMutablePointer<Endpoint>) -> ByteBuffer? {
        guard compress != .never, let kind = endpoint.pointee.compressorKind,
            payload.withUnsafeReadableBytes({ endpoint.pointee.compressesForMany($0, compress) })
        else { return nil }
        let known = variants.withLock { variants in variants.first { $0.kind == kind } }
        if let known { return known.payload }
        let made = payload.withUnsafeReadableBytes { plain in
            endpoint.pointee.compressForMany(plain)?.withUnsafeBytes { ByteBuffer(bytes: $0) }
        }
        guard let made else { return nil }
        let isShorter = compress == .always || made.readableBytes < payload.readableBytes
        return variants.withLock { variants in
            if let known = variants.first(where: { $0.kind == kind }) { return known.payload }
            variants.append((kind, isShorter ? made : nil))
            return isShorter ? made : nil
        }
    }
}
