// Arithmetic on numbers that come from a peer, a file, an option or a clock. A result beyond a type's range becomes the greatest or
// least number of the type, so that no input can trap.

extension FixedWidthInteger {
    /// Returns the sum, limited to the range of the type.
    @inlinable
    @inline(__always)
    package func addingSaturating(_ other: Self) -> Self {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? (other < 0 ? .min : .max) : sum
    }

    /// Returns the difference, limited to the range of the type.
    @inlinable
    @inline(__always)
    package func subtractingSaturating(_ other: Self) -> Self {
        let (difference, overflows) = subtractingReportingOverflow(other)
        return overflows ? (other < 0 ? .max : .min) : difference
    }

    /// Returns the product, limited to the range of the type.
    @inlinable
    @inline(__always)
    package func multipliedSaturating(by other: Self) -> Self {
        let (product, overflows) = multipliedReportingOverflow(by: other)
        return overflows ? ((self < 0) != (other < 0) ? .min : .max) : product
    }

    /// Adds a number. The sum is limited to the range of the type.
    @inlinable
    @inline(__always)
    package mutating func addSaturating(_ other: Self) {
        self = addingSaturating(other)
    }

    /// Creates the whole part of a number, limited to the range of the type; 0 for NaN.
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
    /// Returns the nanoseconds from `earlier` to this instant, limited to the range of 64 bits.
    @inlinable
    @inline(__always)
    package func nanoseconds(since earlier: MonotonicInstant) -> Int64 {
        nanoseconds.subtractingSaturating(earlier.nanoseconds)
    }
}
