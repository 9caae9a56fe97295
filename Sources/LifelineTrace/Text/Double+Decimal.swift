import Lifeline

extension Double {
    /// The number with one digit behind the point, or none where it is too great for that to say anything.
    package var oneDecimal: String {
        guard magnitude < 1e6 else { return isFinite ? String(Int(saturating: rounded())) : "\(self)" }
        let tenths = Int(saturating: (magnitude * 10).rounded())
        return (self < 0 && tenths > 0 ? "-" : "") + "\(tenths / 10).\(tenths % 10)"
    }
}
