import ArgumentParser
import Lifeline

/// From when on a fault is applied, on the command line: a time with its unit (`5s`, `250ms`, `2m`), or else a number of
/// bytes (`1000`, `64k`, `1M`).
struct FaultThreshold: ExpressibleByArgument, CustomStringConvertible {
    let threshold: RelayFault.Threshold
    let description: String

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
