import Testing

@testable import LifelineCore

@Suite("Arithmetic on untrusted numbers") struct SaturationTests {
    private static let ends: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]

    @Test("Sums, differences and products saturate at the type's bounds", arguments: ends, ends)
    func integers(left: Int64, right: Int64) {
        func limited(_ exact: Int128) -> Int64 { Int64(clamping: exact) }
        let (wideLeft, wideRight) = (Int128(left), Int128(right))
        #expect(left.addingSaturating(right) == limited(wideLeft + wideRight))
        #expect(left.subtractingSaturating(right) == limited(wideLeft - wideRight))
        #expect(left.multipliedSaturating(by: right) == limited(wideLeft * wideRight))
        var sum = left
        sum.addSaturating(right)
        #expect(sum == left.addingSaturating(right))
        #expect(
            MonotonicInstant(nanoseconds: right).duration(to: MonotonicInstant(nanoseconds: left))
                == .nanoseconds(limited(wideLeft - wideRight)))
    }

    @Test("Unsigned results saturate at 0")
    func unsigned() {
        #expect(UInt64(1).subtractingSaturating(2) == 0)
        #expect(UInt64.max.addingSaturating(1) == .max)
        #expect(UInt64.max.multipliedSaturating(by: 2) == .max)
    }

    @Test("Floating-point conversion truncates and saturates; NaN gives 0")
    func floatingPoint() {
        let cases: [(Double, Int64)] = [
            (0, 0), (-0.0, 0), (1.9, 1), (-1.9, -1), (9.3e18, .max), (-9.3e18, .min), (.infinity, .max),
            (-.infinity, .min), (.nan, 0), (Double(Int64.max), .max), (Double(Int64.min), .min), (1e300, .max),
            (1e-300, 0),
        ]
        for (value, whole) in cases { #expect(Int64(saturating: value) == whole, "\(value)") }
        #expect(UInt64(saturating: -1) == 0 && UInt64(saturating: 1e20) == .max && UInt64(saturating: 3.5) == 3)
    }
}
