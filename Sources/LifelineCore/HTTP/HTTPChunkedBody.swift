/// Reads a body in chunks, resumable at every byte
/// ([RFC 9112 §7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1)).
package struct HTTPChunkedBody: Sendable {
    private enum Part {
        /// A chunk's size in hexadecimal digits: its value so far, or `nil` before the first digit, and whether the digits have ended.
        /// Extensions that follow are skipped.
        case size(Int?, hasEnded: Bool)
        /// A chunk's data; so many bytes remain.
        case data(Int)
        /// The line break that follows a chunk's data.
        case lineBreak
        /// The trailer; whether its current line is empty so far.
        case trailer(isEmptyLine: Bool)
        /// Nothing: the body is complete.
        case end
    }

    /// The most bytes of framing between the data of two chunks, and of the trailer, that a strict reader accepts.
    private static let maximumFraming = 8 << 10

    private var part = Part.size(nil, hasEnded: false)
    /// Whether everything that the grammar does not allow is malformed. A lenient reader accepts bare line breaks.
    private let isStrict: Bool
    /// Whether the last byte of the framing was a carriage return.
    private var hasCarriageReturn = false
    /// How many bytes of framing have come since the last data.
    private var framing = 0

    /// Creates a reader of a body, which begins with the first chunk's size.
    package init(isStrict: Bool = false) {
        self.isStrict = isStrict
    }

    /// Whether the body is complete, with its trailer.
    package var isComplete: Bool {
        if case .end = part { true } else { false }
    }

    /// Whether the last chunk has been read, so that no data follows.
    package var hasAllData: Bool {
        switch part {
        case .trailer, .end: true
        case .size, .data, .lineBreak: false
        }
    }

    /// Reads on.
    ///
    /// - Parameters:
    ///   - bytes: The next bytes of the stream.
    ///   - take: Receives the data of chunks, without their framing.
    /// - Returns: How many of the bytes belong to the body; `nil` if they are malformed. Nothing can be read after that.
    package mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) -> Int? {
        var count = 0
        while count < bytes.count, !isComplete {
            guard let piece = readPiece(UnsafeRawBufferPointer(rebasing: bytes[count...])) else { return nil }
            count += piece.count
            if !piece.data.isEmpty { take(piece.data) }
        }
        return count
    }

    /// Reads on, up to the end of the first data.
    ///
    /// - Returns: How many of the bytes have been read, and the data among them, which may be empty; `nil` if the bytes are malformed.
    package mutating func readPiece(
        _ bytes: UnsafeRawBufferPointer
    ) -> (count: Int, data: UnsafeRawBufferPointer)? {
        var count = 0
        while count < bytes.count {
            let byte = bytes[count]
            switch part {
            case .end:
                return (count, UnsafeRawBufferPointer(start: nil, count: 0))
            case .data(let length):
                let available = min(length, bytes.count - count)
                let data = UnsafeRawBufferPointer(rebasing: bytes[count..<(count + available)])
                part = length > available ? .data(length - available) : .lineBreak
                return (count + available, data)
            case .lineBreak, .size, .trailer:
                guard readFraming(byte) else { return nil }
                count += 1
            }
        }
        return (count, UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Reads a byte that is not data.
    ///
    /// - Returns: `false` if it is malformed.
    private mutating func readFraming(_ byte: UInt8) -> Bool {
        if isStrict {
            guard hasCarriageReturn == (byte == 0x0A), byte >= 0x20 || [0x09, 0x0A, 0x0D].contains(byte), byte != 0x7F,
                framing < HTTPChunkedBody.maximumFraming
            else { return false }
            hasCarriageReturn = byte == 0x0D
            framing += 1
        }
        switch part {
        case .end, .data:
            break
        case .lineBreak:
            guard byte == 0x0D || byte == 0x0A else { return false }
            if byte == 0x0A { part = .size(nil, hasEnded: false) }
        case .size(let size, let hasEnded):
            if byte == 0x0A {
                guard let size else { return false }
                part = size > 0 ? .data(size) : .trailer(isEmptyLine: true)
                if size > 0 { framing = 0 }
            } else if !hasEnded, let digit = IPAddressBytes.hexadecimalDigit(byte) {
                // A size beyond what an Int holds cannot be meant.
                guard size ?? 0 <= Int.max >> 4 else { return false }
                part = .size((size ?? 0) << 4 | Int(digit), hasEnded: false)
            } else {
                // An extension, a space, or a carriage return.
                guard size != nil else { return false }
                guard !isStrict || hasEnded || [0x09, 0x0D, 0x20, 0x3B].contains(byte) else { return false }
                part = .size(size, hasEnded: true)
            }
        case .trailer(let isEmptyLine):
            if byte == 0x0A {
                part = isEmptyLine ? .end : .trailer(isEmptyLine: true)
            } else if byte != 0x0D {
                part = .trailer(isEmptyLine: false)
            }
        }
        return true
    }
}
