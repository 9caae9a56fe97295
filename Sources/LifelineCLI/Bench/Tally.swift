import Lifeline

/// The counts of a period.
struct Tally: Sendable {
    /// Echoes, messages or opened connections, by mode.
    var count = 0
    /// The received bytes of payload.
    var bytes = 0
    var latencies = Latencies()

    mutating func add(_ other: Tally) {
        count.addSaturating(other.count)
        bytes.addSaturating(other.bytes)
        latencies.add(other.latencies)
    }
}
