import Lifeline

extension Double {
    /// The number with one decimal, or with none if its magnitude is at least a million.
    package var oneDecimal: String {
        guard magnitude < 1e6 else { return isFinite ? String(Int(saturating: rounded())) : "\(self)" }
        let tenths = Int(saturating: (magnitude * 10).rounded())
        return (self < 0 && tenths > 0 ? "-" : "") + "\(tenths / 10).\(tenths % 10)"
    }
}
