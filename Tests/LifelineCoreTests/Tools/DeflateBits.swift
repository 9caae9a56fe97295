/// DEFLATE written bit by bit, so that a test can write what no compressor does
/// ([RFC 1951 §3.2](https://www.rfc-editor.org/rfc/rfc1951#section-3.2)).
struct DeflateBits {
    private(set) var bytes: [UInt8] = []
    /// How many bits of the last byte are taken, 1 to 8; 8 too where there is none.
    private var taken = 8

    /// Whether the last byte has bits left over.
    var isInsideByte: Bool { taken < 8 }

    /// Adds bits, the lowest first.
    mutating func append(_ value: Int, bits: Int) {
        for bit in 0..<bits {
            if taken == 8 {
                bytes.append(0)
                taken = 0
            }
            bytes[bytes.count - 1] |= UInt8(value >> bit & 1) << taken
            taken += 1
        }
    }

    /// Adds a Huffman code, whose highest bit comes first.
    private mutating func appendCode(_ code: Int, bits: Int) {
        for bit in (0..<bits).reversed() { append(code >> bit & 1, bits: 1) }
    }

    /// Adds a stored block (§3.2.4).
    mutating func stored(_ content: [UInt8], isFinal: Bool = false) {
        append(isFinal ? 1 : 0, bits: 3)
        taken = 8
        append(content.count, bits: 16)
        append(~content.count, bits: 16)
        bytes += content
    }

    /// What a block with fixed codes is made of.
    enum Symbol {
        case literal(UInt8)
        /// Three bytes again that stand `distance` before.
        case threeBytes(distance: Int)
        case endOfBlock
    }

    /// Adds the beginning of a block with fixed codes (§3.2.6).
    mutating func beginFixed(isFinal: Bool = false) {
        append(isFinal ? 0b011 : 0b010, bits: 3)
    }

    /// Adds to a block with fixed codes.
    mutating func fixed(_ symbol: Symbol) {
        switch symbol {
        case .literal(let byte) where byte < 144: appendCode(0x30 + Int(byte), bits: 8)
        case .literal(let byte): appendCode(0x190 + Int(byte) - 144, bits: 9)
        case .threeBytes(let distance):
            appendCode(1, bits: 7)
            // Distance codes 0 to 3 have no extra bits, and each two further codes have one more.
            let reach = distance - 1
            let width = reach < 4 ? 0 : Int.bitWidth - reach.leadingZeroBitCount - 2
            appendCode(reach < 4 ? reach : 2 * width + reach >> width, bits: 5)
            append(reach & (1 << width - 1), bits: width)
        case .endOfBlock: appendCode(0, bits: 7)
        }
    }

    /// Adds a whole block with fixed codes.
    mutating func fixedBlock(_ content: [UInt8], isFinal: Bool = false) {
        beginFixed(isFinal: isFinal)
        for byte in content { fixed(.literal(byte)) }
        fixed(.endOfBlock)
    }

    /// Adds what a message ends with once the tail has been removed (RFC 7692 §7.2.1): the header of an empty stored block.
    mutating func endMessage(isFinal: Bool = false) {
        append(isFinal ? 1 : 0, bits: 3)
        taken = 8
    }
}

extension DeflateBits {
    /// Stored blocks of a content, as large as they may be; the last is final.
    init(storing content: [UInt8]) {
        self.init()
        for start in stride(from: 0, to: content.count, by: 0xFFFF) {
            let end = min(start + 0xFFFF, content.count)
            stored(Array(content[start..<end]), isFinal: end == content.count)
        }
    }
}
