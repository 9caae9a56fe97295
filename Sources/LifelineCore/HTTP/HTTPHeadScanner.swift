/// Finds the end of an HTTP/1.1 head, the empty line, in bytes that arrive in pieces
/// ([RFC 9112 §2.1](https://www.rfc-editor.org/rfc/rfc9112#section-2.1)).
///
/// Each byte is looked at once, wherever the pieces are split, and what cannot become a head is seen at once.
struct HTTPHeadScanner {
    /// What the bytes so far amount to.
    enum Progress: Equatable {
        /// The head ends behind that many of the bytes given last.
        case complete(Int)
        /// The empty line has not come yet.
        case incomplete
        /// The first byte begins no HTTP message: a TLS ClientHello, say.
        case notHTTP
        /// A line feed without a carriage return, or the reverse; lenient readers of these enable request smuggling.
        case bareLineBreak
    }

    private var isAtStart = true
    /// How many bytes of the four that end a head the last bytes match.
    private var matched = 0

    /// Looks at the next bytes.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Progress {
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
}
