import Lifeline
import LifelineRelay

/// When a fault begins, on the command line: a duration with its unit (`5s`, `250ms`, `2m`), or a number of bytes
/// (`1000`, `64k`, `1M`).
struct FaultThreshold: LimitedArgument, CustomStringConvertible {
    let threshold: RelayFault.Threshold
    let description: String

    static let allowed =
        "a duration followed by ms, s, m or h, up to a year (8760h), or " + ByteCount.allowed

    init?(argument: String) {
        description = argument
        if ["s", "m", "h"].contains(where: argument.hasSuffix), let time = TimeSpan(argument: argument) {
            threshold = .time(time.duration)
        } else if let count = ByteCount(argument: argument) {
            threshold = .bytes(count.bytes)
        } else {
            return nil
        }
    }
}
