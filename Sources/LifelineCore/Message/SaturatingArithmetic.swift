/// Arithmetic on numbers that a peer or a caller has given: it stays at the ends of what an integer holds.
extension Int {
    /// The sum, or the nearest number there is.
    @inline(__always)
    func adding(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// The product of two numbers that are not negative, or the greatest number there is.
    @inline(__always)
    func multiplied(by other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
