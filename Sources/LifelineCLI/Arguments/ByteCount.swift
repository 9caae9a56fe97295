/// A number of bytes on the command line: `65536`, `64k`, `16M`.
struct ByteCount: LimitedArgument, CustomStringConvertible {
    let bytes: Int

    static let allowed = "a whole number of bytes from 1 to 1024G, behind which k, M or G may stand"

    init(_ bytes: Int) {
        self.bytes = bytes
    }

    init?(argument: String) {
        let shifts: [Character: Int] = ["k": 10, "K": 10, "m": 20, "M": 20, "g": 30, "G": 30]
        let shift = argument.last.flatMap { shifts[$0] }
        let digits = shift == nil ? argument[...] : argument.dropLast()
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits), number > 0,
            number <= (1 << 40) >> (shift ?? 0)
        else { return nil }
        bytes = number << (shift ?? 0)
    }

    var description: String {
        bytes % (1 << 20) == 0 ? "\(bytes >> 20)M" : bytes % (1 << 10) == 0 ? "\(bytes >> 10)k" : "\(bytes)"
    }
}
