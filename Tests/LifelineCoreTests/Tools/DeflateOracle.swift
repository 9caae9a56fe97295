import CZlib

/// A compressor of raw DEFLATE that uses zlib without the core's own code, so that it can bear witness for it
/// ([RFC 1951](https://www.rfc-editor.org/rfc/rfc1951)).
final class OracleCompressor {
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameter windowBits: 9 to 15; zlib has no 8.
    init(windowBits: Int = 15, level: Int = 6, memoryLevel: Int = 8, strategy: Int32 = Z_DEFAULT_STRATEGY) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, Int32(level), Z_DEFLATED, -Int32(windowBits), Int32(memoryLevel), strategy, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Compresses bytes, and ends with a flush.
    func compress(_ bytes: [UInt8], flush: Int32 = Z_SYNC_FLUSH) -> [UInt8] {
        var bytes = bytes
        var output: [UInt8] = []
        let room = max(bytes.count / 2, 1024)
        bytes.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            repeat {
                output += [UInt8](unsafeUninitializedCapacity: room) { part, count in
                    stream.pointee.next_out = part.baseAddress
                    stream.pointee.avail_out = UInt32(room)
                    deflate(stream, flush)
                    count = room - Int(stream.pointee.avail_out)
                }
            } while stream.pointee.avail_out == 0
        }
        return output
    }

    /// Compresses a message as RFC 7692 §7.2.1 says: flushed, and without the tail.
    func message(_ bytes: [UInt8]) -> [UInt8] {
        Array(compress(bytes).dropLast(4))
    }

    /// Compresses a message from an empty window.
    static func message(_ bytes: [UInt8], level: Int = 6) -> [UInt8] {
        OracleCompressor(level: level).message(bytes)
    }
}

/// A decompressor of raw DEFLATE that uses zlib without the core's own code, and takes nothing that refers further back than
/// its window.
final class OracleDecompressor {
    /// What zlib says of data that is none.
    struct Corrupt: Error {
        var reason: String
    }

    private let stream: UnsafeMutablePointer<z_stream>

    init(windowBits: Int = 15) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = inflateInit2_(stream, -Int32(windowBits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK)
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Begins anew, with an empty window.
    func reset() {
        inflateReset(stream)
    }

    /// Decompresses bytes.
    ///
    /// - Parameter room: How many bytes zlib is given room for at a time. What it has written in the same call it can refer
    ///   to however small its window is; with one byte at a time nothing but the window is left.
    func decompress(_ bytes: [UInt8], room: Int = 1) throws -> [UInt8] {
        var bytes = bytes
        var status = Z_OK
        let size = 200_000
        let output = [UInt8](unsafeUninitializedCapacity: size + room) { output, count in
            bytes.withUnsafeMutableBufferPointer { input in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = UInt32(input.count)
                stream.pointee.next_out = output.baseAddress
                repeat {
                    stream.pointee.avail_out = UInt32(room)
                    status = inflate(stream, Z_SYNC_FLUSH)
                    count += room - Int(stream.pointee.avail_out)
                    precondition(count <= size, "more than any test compresses")
                } while status == Z_OK && (stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0)
            }
        }
        guard status == Z_OK || status == Z_BUF_ERROR else {
            throw Corrupt(reason: stream.pointee.msg.map { String(cString: $0) } ?? "\(status)")
        }
        return output
    }

    /// Decompresses a message as RFC 7692 §7.2.2 says: with the tail behind it.
    func message(_ bytes: [UInt8], room: Int = 1) throws -> [UInt8] {
        try decompress(bytes + [0x00, 0x00, 0xFF, 0xFF], room: room)
    }
}
