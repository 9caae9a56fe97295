import CZlib

/// What makes compressors interchangeable, and what they make from an empty window the same.
package struct CompressorKind: Hashable, Sendable {
    var windowBits: Int
    var level: Int
    var memoryLevel: Int
}

/// One of zlib's compressors of raw DEFLATE (RFC 1951), behind a pointer: zlib needs it to stay where it is.
final class DeflateStream: ReusableStream {
    typealias Kind = CompressorKind

    /// What each message ends with where it is flushed, and what is not sent (RFC 7692 §7.2.1).
    static let tail: (UInt8, UInt8, UInt8, UInt8) = (0x00, 0x00, 0xFF, 0xFF)
    static let tailLength = 4

    private let stream: UnsafeMutablePointer<z_stream>

    required init?(_ kind: Kind, budget: CompressionBudget) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: .counted(by: budget))
        // zlib makes 9 bits of 8 by itself where there is a header to say so. Without one it refuses 8, but its window of 9
        // bits reaches back 2^9 - 262 = 250 bytes at most, which is within the 256 of 8 bits.
        let status = deflateInit2_(
            stream, Int32(kind.level), Z_DEFLATED, -Int32(max(kind.windowBits, 9)), Int32(kind.memoryLevel),
            Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { return nil }
    }

    deinit {
        // Of one that could not be made zlib keeps nothing, and this does nothing.
        deflateEnd(stream)
        stream.pointee.endCounting()
        stream.deallocate()
    }

    /// The bytes that it takes.
    var size: Int { stream.pointee.size }

    func reset() {
        deflateReset(stream)
    }

    /// Compresses `bytes` to their end and flushes, so that the peer can decompress all of them.
    ///
    /// The output ends with ``tail``, unless there was nothing to compress and the output ended so before: then it is empty.
    func compress(_ bytes: UnsafeRawBufferPointer, into output: inout ByteStore) {
        var rest = bytes
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

    /// Moves the window on by bytes that the peer got without this compressor.
    func skip(_ bytes: UnsafeRawBufferPointer) {
        let last = UnsafeRawBufferPointer(rebasing: bytes.suffix(32 << 10))
        deflateSetDictionary(stream, last.mutableBytes, UInt32(last.count))
    }

    /// A copy of its window: all that the peer has of it that can be referred to.
    var window: [UInt8] {
        var length: UInt32 = 0
        // An array keeps the capacity that it is made with: just what is needed.
        deflateGetDictionary(stream, nil, &length)
        return Array(unsafeUninitializedCapacity: Int(length)) { buffer, count in
            deflateGetDictionary(stream, buffer.baseAddress, &length)
            count = Int(length)
        }
    }
}

/// Room enough for zlib to get on; less would have it stop in the middle of its tail more often than not.
private let deflateMinimumSpace = 64

/// One of zlib's decompressors of raw DEFLATE.
final class InflateStream: ReusableStream {
    /// What became of a call.
    enum Status {
        /// The input was used up, or the room for the output.
        case goesOn
        /// A block that says it is the last one has ended (BFINAL); what follows begins anew.
        case blockWasFinal
        /// The input is no DEFLATE; what zlib says of it.
        case isCorrupt(String)
    }

    private let stream: UnsafeMutablePointer<z_stream>

    required init?(_ windowBits: Int, budget: CompressionBudget) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: .counted(by: budget))
        let status = inflateInit2_(
            stream, -Int32(windowBits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { return nil }
    }

    deinit {
        inflateEnd(stream)
        stream.pointee.endCounting()
        stream.deallocate()
    }

    /// The bytes that it takes.
    var size: Int { stream.pointee.size }

    func reset() {
        inflateReset(stream)
    }

    /// Decompresses on.
    ///
    /// What refers further back than a window smaller than 32 KiB is found to be corrupt only where it refers to what an
    /// earlier call has written; zlib knows no more than that. A peer that breaks its word may have its message read, or not,
    /// as its bytes are split; what it is given is always what it has sent.
    ///
    /// - Returns: How many bytes of the input were used, how many of the output were written, and what came of it.
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
        stream.pointee.next_in = input.mutableBytes
        stream.pointee.avail_in = UInt32(available)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(room)
        let code = inflate(stream, stopsAtBlocks ? Z_BLOCK : Z_SYNC_FLUSH)
        let used = available - Int(stream.pointee.avail_in)
        let written = room - Int(stream.pointee.avail_out)
        switch code {
        case Z_OK, Z_BUF_ERROR:
            return (used, written, .goesOn)
        case Z_STREAM_END:
            // The window stays: with context takeover the next block may refer to it.
            inflateResetKeep(stream)
            return (used, written, .blockWasFinal)
        default:
            return (used, written, .isCorrupt(stream.pointee.msg.map { String(cString: $0) } ?? "error \(code)"))
        }
    }

    /// Reads the tail that a message's sender has omitted (RFC 7692 §7.2.2).
    ///
    /// - Returns: Whether it is what it should be: the end of an empty block (§7.2.1). Where it gives bytes, or ends inside a
    ///   block, it has completed something that was cut off.
    func endsWithTail() throws(ProtocolViolation) -> Bool {
        var given: UInt64 = 0
        return try withUnsafeMutableBytes(of: &given) { (output) throws(ProtocolViolation) in
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

    /// Whether what was read last, stopping at blocks, was the end of a block that ended on a byte's boundary.
    private var isAtBlockEnd: Bool {
        // 128: just behind a block's end; the lowest bits: how many of the last byte have not been used; see zlib.h.
        stream.pointee.data_type & 128 != 0 && stream.pointee.data_type & 7 == 0
    }

    /// A copy of its window.
    var window: [UInt8] {
        var length: UInt32 = 0
        inflateGetDictionary(stream, nil, &length)
        return Array(unsafeUninitializedCapacity: Int(length)) { buffer, count in
            inflateGetDictionary(stream, buffer.baseAddress, &length)
            count = Int(length)
        }
    }

    /// Sets the window of a decompressor that has none.
    func restore(_ window: [UInt8]) {
        window.withUnsafeBufferPointer { bytes in
            _ = inflateSetDictionary(stream, bytes.baseAddress, UInt32(bytes.count))
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes as zlib takes them; it does not change them.
    fileprivate var mutableBytes: UnsafeMutablePointer<UInt8>? {
        UnsafeMutablePointer(mutating: baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
}

/// The memory that zlib has taken for a stream, behind a pointer that zlib hands to its allocators.
private struct StreamAccount {
    /// What counts the memory. The account owns it: memory may be given back long after everybody else has forgotten it.
    let budget: CompressionBudget
    var size = 0

    /// Counts bytes that were taken, or, where negative, given back.
    mutating func count(_ bytes: Int) {
        size += bytes
        budget.take(bytes)
    }
}

extension z_stream {
    /// A stream whose memory a budget counts.
    fileprivate static func counted(by budget: CompressionBudget) -> z_stream {
        let account = UnsafeMutablePointer<StreamAccount>.allocate(capacity: 1)
        account.initialize(to: StreamAccount(budget: budget))
        var stream = z_stream()
        stream.opaque = UnsafeMutableRawPointer(account)
        stream.zalloc = { account, items, size in
            // The size stands before the block, for the day it is freed.
            let count = Int(items).multipliedSaturating(by: Int(size)).addingSaturating(16)
            guard count < .max else { return nil }
            let block = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
            block.storeBytes(of: count, as: Int.self)
            account.unsafelyUnwrapped.assumingMemoryBound(to: StreamAccount.self).pointee.count(count)
            return block + 16
        }
        stream.zfree = { account, address in
            guard let address else { return }
            let block = address - 16
            let count = block.load(as: Int.self)
            account.unsafelyUnwrapped.assumingMemoryBound(to: StreamAccount.self).pointee.count(-count)
            block.deallocate()
        }
        return stream
    }

    /// The bytes that zlib has taken for the stream.
    fileprivate var size: Int {
        opaque.assumingMemoryBound(to: StreamAccount.self).pointee.size + MemoryLayout<z_stream>.size
            + MemoryLayout<StreamAccount>.size
    }

    /// Frees what counted the memory, once there is none.
    fileprivate func endCounting() {
        let account = opaque.assumingMemoryBound(to: StreamAccount.self)
        account.deinitialize(count: 1)
        account.deallocate()
    }
}
