/// Durations as people read them.
extension Duration {
    /// Three digits and a unit: `87 µs`, `1.24 ms`, `12.3 s`.
    package func text(unicode: Bool = true) -> String {
        let nanoseconds = self / .nanoseconds(1)
        return switch nanoseconds {
        case ..<1000: "\(Int(nanoseconds)) ns"
        case ..<999_500: Duration.threeDigits(nanoseconds / 1e3) + (unicode ? " µs" : " us")
        case ..<999_500_000: Duration.threeDigits(nanoseconds / 1e6) + " ms"
        default: Duration.threeDigits(nanoseconds / 1e9) + " s"
        }
    }

    /// The duration as a number of microseconds, with one decimal.
    package var microseconds: Double { (self / .nanoseconds(100)).rounded() / 10 }

    private static func threeDigits(_ value: Double) -> String {
        let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
        guard decimals > 0 else { return String(Int(value.rounded())) }
        let scale = decimals == 2 ? 100 : 10
        let scaled = Int((value * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
}
