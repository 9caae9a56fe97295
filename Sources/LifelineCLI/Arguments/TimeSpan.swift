import Lifeline

/// A duration on the command line: `2`, `0.5s`, `250ms`, `1m`.
struct TimeSpan: LimitedArgument, CustomStringConvertible {
    let duration: Duration

    /// A year: longer than anyone waits, and short enough that no arithmetic overflows.
    static let longest = Duration.seconds(31_536_000)

    static let allowed = "a number of seconds, or a number followed by ms, s, m or h, up to a year (8760h)"

    init(_ duration: Duration) {
        self.duration = duration
    }

    init?(argument: String) {
        let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        let unit = units.first { argument.hasSuffix($0.suffix) } ?? ("", 1)
        let digits = argument.dropLast(unit.suffix.count)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }),
            let number = Double(digits), number * unit.seconds <= TimeSpan.longest / .seconds(1)
        else { return nil }
        duration = .nanoseconds(Int64(saturating: (number * unit.seconds * 1e9).rounded()))
    }

    var description: String {
        let milliseconds = Int(saturating: (duration / .milliseconds(1)).rounded())
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
