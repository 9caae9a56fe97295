import Histogram
import Lifeline

/// How long things took, in nanoseconds: a histogram with three significant digits, up to an hour.
struct Latencies: Sendable {
    private(set) var histogram = Histogram<UInt64>(
        highestTrackableValue: Latencies.longest, numberOfSignificantValueDigits: .three)
    private static let longest: UInt64 = 3_600_000_000_000

    /// The percentiles that are reported.
    static let reported: [Double] = [50, 90, 99, 99.9, 99.99]

    /// Counts something that took that long; longer than an hour counts as an hour.
    @inline(__always)
    mutating func record(_ nanoseconds: UInt64) {
        histogram.record(min(nanoseconds, Latencies.longest))
    }

    /// Counts several things that took that long.
    mutating func record(_ nanoseconds: UInt64, count: Int) {
        histogram.record(min(nanoseconds, Latencies.longest), count: UInt64(clamping: count))
    }

    /// Adds what another one has counted.
    mutating func add(_ other: Latencies) {
        if other.count > 0 { histogram.add(other.histogram) }
    }

    var count: Int { Int(clamping: histogram.totalCount) }
    var isEmpty: Bool { count == 0 }

    /// The time that so many percent did not exceed.
    func percentile(_ percent: Double) -> Duration {
        .nanoseconds(Int64(clamping: histogram.valueAtPercentile(percent)))
    }

    /// The longest.
    var maximum: Duration { isEmpty ? .zero : .nanoseconds(Int64(clamping: histogram.max)) }

    /// The mean.
    var mean: Duration { isEmpty ? .zero : .nanoseconds(Int64(saturating: histogram.mean.rounded())) }
}
