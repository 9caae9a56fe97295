/// A size on the command line, with the prefixes of powers of two: `0`, `64`, `16KiB`, `1MiB`; `16k` and `1M` too.
struct ByteSize: LimitedArgument, CustomStringConvertible, Equatable {
    let bytes: Int

    /// The most that a size may be.
    static let maximum = 1 << 30

    static let allowed = "a whole number of bytes from 0 to 1GiB, behind which KiB, MiB or GiB may stand"

    init(_ bytes: Int) {
        self.bytes = bytes
    }

    init?(argument: String) {
        let units: [(suffix: String, shift: Int)] = [
            ("KiB", 10), ("MiB", 20), ("GiB", 30), ("k", 10), ("K", 10), ("M", 20), ("G", 30), ("B", 0),
        ]
        let unit = units.first { argument.hasSuffix($0.suffix) } ?? ("", 0)
        let digits = argument.dropLast(unit.suffix.count)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
            number <= ByteSize.maximum >> unit.shift
        else { return nil }
        bytes = number << unit.shift
    }

    var description: String {
        switch bytes {
        case 0: "0"
        case _ where bytes % (1 << 20) == 0: "\(bytes >> 20)MiB"
        case _ where bytes % (1 << 10) == 0: "\(bytes >> 10)KiB"
        default: "\(bytes)"
        }
    }
}
