/// A point on the caller's monotonic clock, in nanoseconds since an origin of the caller's choice.
///
/// The core owns no clock: whoever drives an ``Endpoint`` passes the time in and is told the next instant at which
/// something is due. Tests pass a time that they move by hand.
public struct MonotonicInstant: InstantProtocol, Hashable, Sendable {
    /// Nanoseconds since the origin of the caller's clock.
    public var nanoseconds: Int64

    /// The instant that lies `nanoseconds` after the origin of the caller's clock.
    @inlinable
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The instant that lies `duration` after this one; an overflow stays at the last instant there is, or the first.
    public func advanced(by duration: Duration) -> MonotonicInstant {
        advanced(nanoseconds: duration.wholeNanoseconds)
    }

    @inline(__always)
    func advanced(nanoseconds count: Int64) -> MonotonicInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
        return MonotonicInstant(nanoseconds: overflow ? (count < 0 ? .min : .max) : sum)
    }

    /// The time from `earlier` to this instant, limited to what 64 bits of nanoseconds hold (292 years).
    public func duration(since earlier: MonotonicInstant) -> Duration {
        .nanoseconds(nanoseconds(since: earlier))
    }

    /// The time from this instant to `other`, limited to what 64 bits of nanoseconds hold (292 years).
    public func duration(to other: MonotonicInstant) -> Duration {
        other.duration(since: self)
    }

    @inlinable
    public static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero, and limited to what 64 bits hold (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowOfSum) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflowOfSum ? (seconds < 0 ? .min : .max) : sum
    }
}
