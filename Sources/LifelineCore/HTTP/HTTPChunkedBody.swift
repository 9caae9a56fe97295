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

    private var part = Part.size(nil, hasEnded: false)

    /// Creates a reader of a body, which begins with the first chunk's size.
    package init() {}

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
        while count < bytes.count {
            let byte = bytes[count]
            switch part {
            case .end: return count
            case .data(let length):
                let available = min(length, bytes.count - count)
                take(UnsafeRawBufferPointer(rebasing: bytes[count..<(count + available)]))
                count += available
                part = length > available ? .data(length - available) : .lineBreak
                continue
            case .lineBreak:
                guard byte == 0x0D || byte == 0x0A else { return nil }
                if byte == 0x0A { part = .size(nil, hasEnded: false) }
            case .size(let size, let hasEnded):
                if byte == 0x0A {
                    guard let size else { return nil }
                    part = size > 0 ? .data(size) : .trailer(isEmptyLine: true)
                } else if !hasEnded, let digit = IPAddressBytes.hexadecimalDigit(byte) {
                    // A size beyond what an Int holds cannot be meant.
                    guard size ?? 0 <= Int.max >> 4 else { return nil }
                    part = .size((size ?? 0) << 4 | Int(digit), hasEnded: false)
                } else {
                    // An extension, a space, or a carriage return.
                    guard size != nil else { return nil }
                    part = .size(size, hasEnded: true)
                }
            case .trailer(let isEmptyLine):
                if byte == 0x0A {
                    part = isEmptyLine ? .end : .trailer(isEmptyLine: true)
                } else if byte != 0x0D {
                    part = .trailer(isEmptyLine: false)
                }
            }
            count += 1
        }
        return count
    }
}
