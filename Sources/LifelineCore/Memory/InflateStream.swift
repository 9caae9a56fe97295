import CZlib

/// A zlib decompressor of raw DEFLATE. Its kind is the size of its window in bits.
final class InflateStream: ReusableStream {
    /// How a call ended.
    enum Status {
        /// All input was used, or all room for output.
        case needsMore
        /// A block that is marked as the last one has ended (BFINAL). The bytes that follow begin another sequence of blocks.
        case finalBlockEnded
        /// The input is not valid DEFLATE, for the reason that zlib gives.
        case isCorrupt(String)
    }

    static var needsBudget: Bool { false }

    static func withPool<Result>(
        of loop: inout CompressionPool, _ body: (inout StreamPool<InflateStream>) -> Result
    ) -> Result {
        body(&loop.decompressors)
    }

    private let stream: ZlibStream

    required init?(_ windowBits: Int, budget: CompressionBudget) {
        stream = ZlibStream(budget: budget) { inflateEnd($0) }
        let status = inflateInit2_(
            stream.pointer, -Int32(windowBits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { return nil }
    }

    var size: Int { stream.size }

    func reset() {
        inflateReset(stream.pointer)
    }

    var window: [UInt8] { stream.window { inflateGetDictionary($0, $1, $2) } }

    func restore(_ window: [UInt8]) {
        window.withUnsafeBufferPointer { bytes in
            _ = inflateSetDictionary(stream.pointer, bytes.baseAddress, UInt32(bytes.count))
        }
    }

    /// Decompresses the next bytes.
    ///
    /// zlib rejects a reference beyond a window smaller than 32 KiB only if it refers to the output of an earlier call. So whether a
    /// peer that violates its agreement in this way is detected depends on how its bytes are split. The output is right in either case.
    ///
    /// - Returns: How many bytes of the input were used, how many of the output were written, and how the call ended.
    @inline(__always)
    func decompress(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> (used: Int, written: Int, status: Status) {
        decompress(input, into: output, stopsAtBlocks: false)
    }

    private func decompress(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, stopsAtBlocks: Bool
    ) -> (used: Int, written: Int, status: Status) {
        let available = min(input.count, 1 << 30)
        let room = min(output.count, 1 << 30)
        stream.pointer.pointee.next_in = input.mutableBytes
        stream.pointer.pointee.avail_in = UInt32(available)
        stream.pointer.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointer.pointee.avail_out = UInt32(room)
        let code = inflate(stream.pointer, stopsAtBlocks ? Z_BLOCK : Z_SYNC_FLUSH)
        let used = available - Int(stream.pointer.pointee.avail_in)
        let written = room - Int(stream.pointer.pointee.avail_out)
        switch code {
        case Z_OK, Z_BUF_ERROR:
            return (used, written, .needsMore)
        case Z_STREAM_END:
            // The window remains: with context takeover, the next block may refer to it.
            inflateResetKeep(stream.pointer)
            return (used, written, .finalBlockEnded)
        default:
            let reason = stream.pointer.pointee.msg.map { String(cString: $0) } ?? "error \(code)"
            return (used, written, .isCorrupt(reason))
        }
    }

    /// Decompresses the tail that a message's sender has omitted (RFC 7692 §7.2.2).
    ///
    /// - Returns: Whether it ends an empty block, as it should (§7.2.1). If it produces bytes, or ends inside a block, the message was
    ///   incomplete.
    func endsWithTail() throws(ProtocolViolation) -> Bool {
        var produced: UInt64 = 0
        return try withUnsafeMutableBytes(of: &produced) { (output) throws(ProtocolViolation) in
            try withUnsafeBytes(of: DeflateStream.tail) { (tail) throws(ProtocolViolation) in
                var used = 0
                while used < tail.count {
                    let rest = UnsafeRawBufferPointer(rebasing: tail[used...])
                    let result = decompress(rest, into: output, stopsAtBlocks: true)
                    if case .isCorrupt(let reason) = result.status { throw .corruptDeflate(reason) }
                    guard result.written == 0 else { return false }
                    used += result.used
                }
                return isAtBlockEnd
            }
        }
    }

    /// Whether the last call, which stopped at blocks, stopped at the end of a block that ends on a byte boundary.
    private var isAtBlockEnd: Bool {
        // 128: immediately after a block; the lowest three bits: the number of unused bits of the last byte; see zlib.h.
        stream.pointer.pointee.data_type & 128 != 0 && stream.pointer.pointee.data_type & 7 == 0
    }
}
