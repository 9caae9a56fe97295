/// A number of bytes on the command line: `65536`, `64k`, `16MiB`. `k`, `M` and `G` are powers of 1024, as are `KiB`,
/// `MiB` and `GiB`.
struct ByteCount: LimitedArgument, NumberArgument {
    let bytes: Int

    static let noun = "a whole number of bytes, with or without k, M or G behind it,"
    static let allowed = "\(noun) from 1 to 1024G"

    private static let maximum = 1 << 40
    private static let units: [(suffix: String, shift: Int)] = [
        ("KiB", 10), ("MiB", 20), ("GiB", 30), ("k", 10), ("K", 10), ("m", 20), ("M", 20), ("g", 30), ("G", 30),
        ("B", 0),
    ]

    init(_ bytes: Int) {
        self.bytes = bytes
    }

    /// Reads a number from 0 to 1024G.
    init?(number: String) {
        let unit = ByteCount.units.first { number.hasSuffix($0.suffix) } ?? ("", 0)
        let digits = number.dropLast(unit.suffix.count)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int(digits),
            count <= ByteCount.maximum >> unit.shift
        else { return nil }
        bytes = count << unit.shift
    }

    /// Reads a number from 1 to 1024G.
    init?(argument: String) {
        guard let count = ByteCount(number: argument), count.bytes > 0 else { return nil }
        self = count
    }

    var description: String {
        let (suffix, shift) =
            [("G", 30), ("M", 20), ("k", 10)].first { bytes > 0 && bytes % (1 << $0.1) == 0 } ?? ("", 0)
        return "\(bytes >> shift)\(suffix)"
    }

    static func < (one: ByteCount, other: ByteCount) -> Bool { one.bytes < other.bytes }
}
