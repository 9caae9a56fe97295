/// An instant on the caller's monotonic clock, in nanoseconds since an origin of the caller's choice.
///
/// The core has no clock: the driver of an ``Endpoint`` passes the current instant in, and asks for the next ``Endpoint/deadline``.
/// Tests pass virtual time.
public struct MonotonicInstant: InstantProtocol, Hashable, Sendable {
    /// Nanoseconds since the origin of the caller's clock.
    public var nanoseconds: Int64

    /// Creates the instant `nanoseconds` after the origin of the caller's clock.
    @inlinable
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Returns the instant `duration` after this one, limited to the range of 64 bits of nanoseconds.
    public func advanced(by duration: Duration) -> MonotonicInstant {
        advanced(nanoseconds: duration.wholeNanoseconds)
    }

    @inline(__always)
    func advanced(nanoseconds count: Int64) -> MonotonicInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
        return MonotonicInstant(nanoseconds: overflow ? (count < 0 ? .min : .max) : sum)
    }

    /// Returns the duration from this instant to `other`, limited to the range of 64 bits of nanoseconds (292 years).
    public func duration(to other: MonotonicInstant) -> Duration {
        .nanoseconds(other.nanoseconds(since: self))
    }

    @inlinable
    public static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero and limited to the range of 64 bits (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowOfSum) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflowOfSum ? (seconds < 0 ? .min : .max) : sum
    }
}
