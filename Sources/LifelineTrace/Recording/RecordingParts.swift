/// Several recordings in one file, one behind the other: what keeps their connections apart.
///
/// The files of one recording, which had grown too long, go on with the same connections. Another recording, or the same once more,
/// has connections of its own, though their numbers are the same.
struct RecordingParts {
    /// When the first recording began, as RFC 3339 writes it.
    private var firstBegan: String?
    private var began: String?
    /// The first event of each part, as it stands in the file, by when the part's recording began.
    private var firsts: [String: Set<TraceEvent>] = [:]
    private var isFirstEvent = false
    /// What is added to the times of this part, so that all count from the first recording's beginning.
    private var offset: Int64 = 0
    /// The numbers that this recording's connections have got.
    private var numbers: [UInt64: UInt64] = [:]
    /// The numbers of each recording, by when it began.
    private var numbersByBeginning: [String: [UInt64: UInt64]] = [:]
    private var taken: Set<UInt64> = []
    private var next: UInt64 = 1
    private var parts = 0

    /// A header: another part begins.
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

    /// An event of the part, with the number that its connection has in the whole, and its time there.
    mutating func add(_ event: TraceEvent) -> TraceEvent {
        if isFirstEvent {
            isFirstEvent = false
            numbers = [:]
            // Where nothing says of what, there can be no continuation.
            if let began {
                if firsts[began, default: []].insert(event).inserted {
                    numbers = numbersByBeginning[began] ?? [:]
                } else {
                    // What begins as a part before did is the same recording once more; what follows may continue that.
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
