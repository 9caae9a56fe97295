import Lifeline

/// What has been counted in a stretch of time.
struct Tally: Sendable {
    /// What came back, came, or was opened, by the mode.
    var count = 0
    /// The payload bytes that were received.
    var bytes = 0
    var latencies = Latencies()

    mutating func add(_ other: Tally) {
        count.addSaturating(other.count)
        bytes.addSaturating(other.bytes)
        latencies.add(other.latencies)
    }
}
