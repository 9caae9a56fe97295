/// UTF-8 byte by byte by the table of well-formed sequences in
/// [RFC 3629 §4](https://www.rfc-editor.org/rfc/rfc3629#section-4): slow, plain, and unlike what it is compared with.
struct UTF8Oracle {
    /// How many continuation bytes are still to come.
    private var missing = 0
    /// The range in which the next one must lie.
    private var least: UInt8 = 0x80
    private var greatest: UInt8 = 0xBF

    /// Whether the bytes so far end between two characters.
    var isAtBoundary: Bool { missing == 0 }

    /// Whether the byte may stand behind those before it.
    mutating func accept(_ byte: UInt8) -> Bool {
        if missing > 0 {
            guard byte >= least, byte <= greatest else { return false }
            (missing, least, greatest) = (missing - 1, 0x80, 0xBF)
            return true
        }
        switch byte {
        case 0x00...0x7F: missing = 0
        case 0xC2...0xDF: missing = 1
        case 0xE0: (missing, least) = (2, 0xA0)
        case 0xE1...0xEC, 0xEE, 0xEF: missing = 2
        case 0xED: (missing, greatest) = (2, 0x9F)
        case 0xF0: (missing, least) = (3, 0x90)
        case 0xF1...0xF3: missing = 3
        case 0xF4: (missing, greatest) = (3, 0x8F)
        default: return false
        }
        return true
    }

    /// Where the first byte stands that cannot stand there, or `nil`; and whether the bytes end between two characters.
    static func judge(_ bytes: some Sequence<UInt8>) -> (firstBad: Int?, isAtBoundary: Bool) {
        var oracle = UTF8Oracle()
        var offset = 0
        for byte in bytes {
            guard oracle.accept(byte) else { return (offset, false) }
            offset += 1
        }
        return (nil, oracle.isAtBoundary)
    }
}
