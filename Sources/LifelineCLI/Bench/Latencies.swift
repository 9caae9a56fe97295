import Histogram
import Lifeline

/// A histogram of latencies in nanoseconds, with three significant digits, up to an hour.
struct Latencies: Sendable {
    private(set) var histogram = Histogram<UInt64>(
        highestTrackableValue: Latencies.longest, numberOfSignificantValueDigits: .three)
    private static let longest: UInt64 = 3_600_000_000_000

    /// The percentiles in the report.
    static let reported: [Double] = [50, 90, 99, 99.9, 99.99]

    /// Counts a latency. More than an hour counts as an hour.
    @inline(__always)
    mutating func record(_ nanoseconds: UInt64) {
        histogram.record(min(nanoseconds, Latencies.longest))
    }

    /// Counts a latency several times.
    mutating func record(_ nanoseconds: UInt64, count: Int) {
        histogram.record(min(nanoseconds, Latencies.longest), count: UInt64(clamping: count))
    }

    /// Adds another histogram.
    mutating func add(_ other: Latencies) {
        if other.count > 0 { histogram.add(other.histogram) }
    }

    var count: Int { Int(clamping: histogram.totalCount) }
    var isEmpty: Bool { count == 0 }

    /// The latency that this percentage did not exceed.
    func percentile(_ percent: Double) -> Duration {
        .nanoseconds(Int64(clamping: histogram.valueAtPercentile(percent)))
    }

    /// The longest latency.
    var maximum: Duration { isEmpty ? .zero : .nanoseconds(Int64(clamping: histogram.max)) }

    /// The mean latency.
    var mean: Duration { isEmpty ? .zero : .nanoseconds(Int64(saturating: histogram.mean.rounded())) }
}
