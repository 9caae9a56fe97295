import Lifeline

/// Durations as text for people.
extension Duration {
    /// Returns three digits and a unit: `87 µs`, `1.24 ms`, `12.3 s`. From about twelve days on, the unit is days.
    package func text(unicode: Bool = true) -> String {
        let nanoseconds = self / .nanoseconds(1)
        let magnitude = nanoseconds.magnitude
        let text =
            switch magnitude {
            case ..<1000: "\(Int(saturating: magnitude)) ns"
            case ..<999_500: Duration.threeDigits(magnitude / 1e3) + (unicode ? " µs" : " us")
            case ..<999_500_000: Duration.threeDigits(magnitude / 1e6) + " ms"
            case ..<999_999_500_000_000: Duration.threeDigits(magnitude / 1e9) + " s"
            default: Duration.threeDigits(magnitude / 86_400e9) + " d"
            }
        return (nanoseconds < 0 ? "-" : "") + text
    }

    /// The duration as a number of microseconds, with one decimal.
    package var microseconds: Double { (self / .nanoseconds(100)).rounded() / 10 }

    private static func threeDigits(_ value: Double) -> String {
        let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        guard decimals > 0 else { return String(Int(saturating: value.rounded())) }
        let scale = decimals == 2 ? 100 : 10
        let scaled = Int(saturating: (value * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
}
