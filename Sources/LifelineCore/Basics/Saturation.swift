// Arithmetic on numbers that a peer, a file, an option or a clock decides. What is beyond a type's range becomes the greatest,
// or the least, number of the type: no such number ends the process.

extension FixedWidthInteger {
    /// The sum, limited to what the type holds.
    @inlinable
    @inline(__always)
    package func addingSaturating(_ other: Self) -> Self {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? (other < 0 ? .min : .max) : sum
    }

    /// The difference, limited to what the type holds.
    @inlinable
    @inline(__always)
    package func subtractingSaturating(_ other: Self) -> Self {
        let (difference, overflows) = subtractingReportingOverflow(other)
        return overflows ? (other < 0 ? .max : .min) : difference
    }

    /// The product, limited to what the type holds.
    @inlinable
    @inline(__always)
    package func multipliedSaturating(by other: Self) -> Self {
        let (product, overflows) = multipliedReportingOverflow(by: other)
        return overflows ? ((self < 0) != (other < 0) ? .min : .max) : product
    }

    /// Adds a number, as far as the type holds the sum.
    @inlinable
    @inline(__always)
    package mutating func addSaturating(_ other: Self) {
        self = addingSaturating(other)
    }

    /// The whole part of a number, limited to what the type holds; 0 where it is not a number.
    @inlinable
    package init(saturating value: Double) {
        if let exact = Self(exactly: value.rounded(.towardZero)) {
            self = exact
        } else {
            self = value.isNaN ? 0 : value < 0 ? .min : .max
        }
    }
}

extension MonotonicInstant {
    /// The nanoseconds from `earlier` to this instant, limited to what 64 bits hold.
    @inlinable
    @inline(__always)
    package func nanoseconds(since earlier: MonotonicInstant) -> Int64 {
        nanoseconds.subtractingSaturating(earlier.nanoseconds)
    }
}
