/// Renumbers the connections of several recordings in one file, and shifts their times to one origin.
///
/// Rotated files of one recording continue its connections. Another recording, or a second copy of the same, has other connections, even
/// if their numbers are equal.
struct RecordingParts {
    /// When the first recording began, in the format of RFC 3339.
    private var firstBegan: String?
    private var began: String?
    /// The first event of each part as in the file, grouped by when the part's recording began.
    private var firsts: [String: Set<TraceEvent>] = [:]
    private var isFirstEvent = false
    /// What to add to the times of this part, so that all times count from the beginning of the first recording.
    private var offset: Int64 = 0
    /// The new numbers of this recording's connections.
    private var numbers: [UInt64: UInt64] = [:]
    /// The new numbers of the connections of each recording, by when it began.
    private var numbersByBeginning: [String: [UInt64: UInt64]] = [:]
    private var taken: Set<UInt64> = []
    private var next: UInt64 = 1
    private var parts = 0

    /// Handles a header, with which another part begins.
    mutating func begin(_ began: String?) {
        if parts == 0 { firstBegan = began } else if let last = self.began { numbersByBeginning[last] = numbers }
        parts += 1
        self.began = began
        isFirstEvent = true
        offset = 0
        if let began, let firstBegan, began != firstBegan, let first = CalendarText(firstBegan),
            let this = CalendarText(began)
        {
            offset = Int64((min(max(this.seconds - first.seconds, -4e9), 4e9) * 1e9).rounded())
        }
    }

    /// Returns an event of the current part, with the new number of its connection, and its shifted time.
    mutating func add(_ event: TraceEvent) -> TraceEvent {
        if isFirstEvent {
            isFirstEvent = false
            numbers = [:]
            // Without a time, a part continues no recording.
            if let began {
                if firsts[began, default: []].insert(event).inserted {
                    numbers = numbersByBeginning[began] ?? [:]
                } else {
                    // A part that begins like an earlier one is a second copy of the recording. Later parts may continue it.
                    firsts[began] = [event]
                }
            }
        }
        var placed = event
        placed.connection = number(of: event.connection)
        let (time, overflows) = event.time.addingReportingOverflow(offset)
        placed.time = overflows ? (offset < 0 ? .min : .max) : time
        return placed
    }

    private mutating func number(of connection: UInt64) -> UInt64 {
        if let number = numbers[connection] { return number }
        var number = connection
        if taken.contains(number) {
            while taken.contains(next) { next += 1 }
            number = next
        }
        taken.insert(number)
        numbers[connection] = number
        return number
    }
}
