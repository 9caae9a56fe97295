/// A date and time in the format of RFC 3339, or in variants that exporters write: with a fraction of any length, a space for the T, an
/// offset without a colon, or without a zone.
struct CalendarText {
    /// Seconds since 1970, in the text's zone, or in UTC if it has none.
    let seconds: Double
    /// Whether the text has a zone.
    let hasZone: Bool

    /// Parses a date and time; `nil` if the text is not one.
    init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        func number(_ count: Int) -> Int? {
            let digits = rest.prefix(count)
            guard digits.count == count, digits.allSatisfy(isDigit) else { return nil }
            rest = rest.dropFirst(count)
            return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }
        func skip(_ characters: String) -> Bool {
            guard let first = rest.first, characters.utf8.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2), skip("Tt "),
            let hour = number(2), skip(":"), let minute = number(2), (1...12).contains(month), (1...31).contains(day),
            hour <= 24, minute < 60
        else { return nil }
        var second = 0
        var fraction = 0.0
        if skip(":") {
            guard let number = number(2), number <= 60 else { return nil }
            second = number
            if skip(".,") {
                var scale = 0.1
                var count = 0
                while let digit = rest.first, isDigit(digit) {
                    fraction += Double(digit - UInt8(ascii: "0")) * scale
                    scale /= 10
                    count += 1
                    rest = rest.dropFirst()
                }
                guard count > 0 else { return nil }
            }
        }
        var offset = 0
        if skip("Zz") {
            hasZone = true
        } else if let sign = rest.first, skip("+-") {
            guard let hours = number(2), hours < 24 else { return nil }
            _ = skip(":")
            guard let minutes = rest.isEmpty ? 0 : number(2), minutes < 60 else { return nil }
            offset = (hours * 60 + minutes) * (sign == UInt8(ascii: "-") ? -60 : 60)
            hasZone = true
        } else {
            hasZone = false
        }
        guard rest.isEmpty else { return nil }
        let whole = CalendarText.days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        seconds = Double(whole) + fraction
    }

    /// Returns the days from the beginning of 1970 to a day of the Gregorian calendar.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        // Years begin in March, so that a leap day is their last day.
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let leapDays = shifted >= 0 ? shifted / 4 - shifted / 100 + shifted / 400 : -1
        return shifted * 365 + leapDays + dayOfYear - 719_468
    }
}
