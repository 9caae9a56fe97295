/// Finds the empty line that ends an HTTP/1.1 head, in bytes that arrive in pieces
/// ([RFC 9112 §2.1](https://www.rfc-editor.org/rfc/rfc9112#section-2.1)).
///
/// The scanner looks at each byte once, wherever the pieces are split, and rejects what cannot become a head as soon as it comes.
package struct HTTPHeadScanner: Sendable {
    /// The result of reading so far.
    package enum Progress: Hashable, Sendable {
        /// The head is complete. So many of the bytes passed last belong to it.
        case complete(Int)
        /// The empty line has not come yet.
        case incomplete
        /// The bytes are not HTTP: a TLS ClientHello, for instance.
        case notHTTP
        /// A line feed without a carriage return, or the reverse. Lenient readers of these enable request smuggling.
        case bareLineBreak
    }

    /// How strict a scanner is.
    package enum Strictness: Sendable {
        /// Lines end with CR LF only, and the first byte must begin a method or a version: for readers that act upon the head.
        case strict
        /// Lines may end with LF only, and carriage returns may occur anywhere: for readers that only report the head.
        case lenient
    }

    private let strictness: Strictness
    private var isAtStart = true
    /// How many of the four bytes that end a head the last bytes match.
    private var matched = 0

    /// Creates a scanner.
    package init(_ strictness: Strictness = .strict) {
        self.strictness = strictness
    }

    /// Scans the next bytes.
    package mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Progress {
        switch strictness {
        case .strict: scanStrictly(bytes)
        case .lenient: scanLeniently(bytes)
        }
    }

    private mutating func scanStrictly(_ bytes: UnsafeRawBufferPointer) -> Progress {
        for (offset, byte) in bytes.enumerated() {
            if isAtStart {
                guard HTTPSyntax.isTokenCharacter(byte) else { return .notHTTP }
                isAtStart = false
            }
            switch (byte, matched) {
            case (0x0D, 0), (0x0D, 2): matched += 1
            case (0x0A, 1): matched = 2
            case (0x0A, 3): return .complete(offset + 1)
            case (0x0A, _), (_, 1), (_, 3): return .bareLineBreak
            default: matched = 0
            }
        }
        return .incomplete
    }

    private mutating func scanLeniently(_ bytes: UnsafeRawBufferPointer) -> Progress {
        for (offset, byte) in bytes.enumerated() {
            switch byte {
            case 0x0A:
                if matched >= 2 { return .complete(offset + 1) }
                matched = 2
            // One carriage return before a line feed is part of the line break.
            case 0x0D: matched = matched == 2 ? 3 : 0
            case 0x09, 0x20...: matched = 0
            default: return .notHTTP
            }
        }
        return .incomplete
    }
}
