/// A date and time, formatted for display or for logs.
struct Timestamp: Sendable {
    private let seconds: Int
    private let nanoseconds: Int

    /// The current time.
    static var now: Timestamp {
        let (seconds, nanoseconds) = System.now()
        return Timestamp(seconds: seconds, nanoseconds: nanoseconds)
    }

    /// The local time of day to the millisecond: `14:02:11.123`.
    var timeOfDay: String {
        time(System.calendarTime(seconds, isLocal: true))
    }

    /// Date and time in UTC ([RFC 3339](https://www.rfc-editor.org/rfc/rfc3339)): `2026-01-31T13:02:11.123Z`.
    var rfc3339: String {
        let moment = System.calendarTime(seconds, isLocal: false)
        let date = [padded(moment.year, 4), padded(moment.month, 2), padded(moment.day, 2)]
        return date.joined(separator: "-") + "T" + time(moment) + "Z"
    }

    private func time(_ moment: System.CalendarTime) -> String {
        [moment.hour, moment.minute, moment.second].map { padded($0, 2) }.joined(separator: ":")
            + "." + padded(nanoseconds / 1_000_000, 3)
    }

    private func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }
}
