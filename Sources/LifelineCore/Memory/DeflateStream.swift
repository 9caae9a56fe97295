import CZlib

/// The parameters of a compressor. Compressors of the same kind are interchangeable, and compress a message from an empty window to the
/// same bytes.
package struct CompressorKind: Hashable, Sendable {
    var windowBits: Int
    var level: Int
    var memoryLevel: Int
}

/// A zlib compressor of raw DEFLATE (RFC 1951).
final class DeflateStream: ReusableStream {
    /// The end of each flushed message, which is not sent (RFC 7692 §7.2.1).
    static let tail: (UInt8, UInt8, UInt8, UInt8) = (0x00, 0x00, 0xFF, 0xFF)
    static let tailLength = 4

    static var needsBudget: Bool { true }

    static func withPool<Result>(
        of loop: inout CompressionPool, _ body: (inout StreamPool<DeflateStream>) -> Result
    ) -> Result {
        body(&loop.compressors)
    }

    private let stream: ZlibStream

    required init?(_ kind: CompressorKind, budget: CompressionBudget) {
        stream = ZlibStream(budget: budget) { deflateEnd($0) }
        // zlib itself uses 9 bits for 8 if there is a header to say so. Without a header it rejects 8. But its window of 9 bits reaches
        // back at most 2^9 - 262 = 250 bytes, which is within the 256 of 8 bits.
        let status = deflateInit2_(
            stream.pointer, Int32(kind.level), Z_DEFLATED, -Int32(max(kind.windowBits, 9)), Int32(kind.memoryLevel),
            Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { return nil }
    }

    var size: Int { stream.size }

    func reset() {
        deflateReset(stream.pointer)
    }

    var window: [UInt8] { stream.window { deflateGetDictionary($0, $1, $2) } }

    func restore(_ window: [UInt8]) {
        window.withUnsafeBytes { skip($0) }
    }

    /// Advances the window past bytes that the peer received without this compressor.
    func skip(_ bytes: UnsafeRawBufferPointer) {
        let last = UnsafeRawBufferPointer(rebasing: bytes.suffix(32 << 10))
        deflateSetDictionary(stream.pointer, last.mutableBytes, UInt32(last.count))
    }

    /// Compresses all of `bytes` and flushes, so that the peer can decompress all of them.
    ///
    /// The output ends with ``tail``. It is empty if there was nothing to compress and the output before ended with the tail.
    func compress(_ bytes: UnsafeRawBufferPointer, into output: inout ByteStore) {
        var rest = bytes
        let stream = stream.pointer
        repeat {
            // zlib counts in 32 bits.
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            stream.pointee.next_in = part.mutableBytes
            stream.pointee.avail_in = UInt32(part.count)
            repeat {
                let space = output.reserve(deflateMinimumSpace)
                let room = min(space.count, 1 << 30)
                stream.pointee.next_out = space.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = UInt32(room)
                deflate(stream, rest.isEmpty ? Z_SYNC_FLUSH : Z_NO_FLUSH)
                output.noteAppended(room - Int(stream.pointee.avail_out))
            } while stream.pointee.avail_out == 0
        } while !rest.isEmpty
    }
}

/// The least room to pass to zlib. With less, it would often stop in the middle of the tail.
private let deflateMinimumSpace = 64
