public import LifelineCore
import LifelineLocks
public import NIOCore

/// A message that goes to many connections, and is compressed only once for those that have agreed on the same window.
///
/// ```swift
/// let update = PreparedMessage(json)
/// for socket in subscribers { socket.enqueue(update) }
/// ```
///
/// Each connection gets frames that are valid for what it has agreed on: connections without compression the bytes as
/// they are, the others the message compressed from an empty window, which is valid with context takeover too (RFC 7692
/// §7.1.1). It compresses a little less than with the window of the messages before, and costs each connection a copy of
/// its bytes instead of a compression.
public final class PreparedMessage: Sendable {
    /// Whether it is text or binary.
    public let kind: MessageKind
    /// The bytes as the application gave them.
    public let payload: ByteBuffer
    private let compress: MessageCompression
    /// What it has been compressed to; `nil` where that is no shorter.
    private let variants = Lock<[(kind: CompressorKind, payload: ByteBuffer?)]>([])

    /// A message.
    ///
    /// - Parameters:
    ///   - message: The content.
    ///   - compress: Whether it is compressed, where that is agreed.
    public init(_ message: WebSocketMessage, compress: MessageCompression = .automatic) {
        kind = message.kind
        payload = message.buffer
        self.compress = compress
    }

    /// A text message.
    public convenience init(_ text: String, compress: MessageCompression = .automatic) {
        self.init(.text(text), compress: compress)
    }

    /// A binary message.
    public convenience init(_ bytes: ByteBuffer, compress: MessageCompression = .automatic) {
        self.init(.binary(bytes), compress: compress)
    }

    /// The payload of the compressed frame for a connection; `nil` where it gets the bytes as they are.
    ///
    /// Loops do not wait for one another while they compress: two that need the same at once both make it, and one is kept.
    /// That there was no memory to compress with is not kept.
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
