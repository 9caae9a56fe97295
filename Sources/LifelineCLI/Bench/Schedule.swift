import Lifeline

/// When messages are due that are to leave at a rate, whatever becomes of those before them.
///
/// A load generator that waits for an answer before it sends again sends less to a server that stalls, and so does not see
/// what the stall would have cost the others: that is *coordinated omission*. With a schedule, a message that leaves late
/// has been late since it was due.
///
/// Where many are due, they are due in bursts, as often as a thread can reasonably be woken.
struct Schedule: Sendable {
    /// The moment of the first, in nanoseconds.
    let start: UInt64
    /// The time between two messages, in nanoseconds.
    private let interval: Double
    /// How many are due at a time.
    let burst: Int
    /// How many have been taken.
    private(set) var taken = 0

    /// The time between two bursts at least, in nanoseconds.
    static let grain: Double = 250_000

    /// - Parameter rate: Messages a second.
    init(start: UInt64, rate: Double) {
        self.start = start
        interval = 1e9 / rate
        burst = max(Int(saturating: (Schedule.grain / interval).rounded(.up)), 1)
    }

    /// The moment of a burst.
    func moment(ofBurst number: Int) -> UInt64 {
        start.addingSaturating(UInt64(saturating: Double(number) * Double(burst) * interval))
    }

    /// When the next message is due.
    var next: UInt64 { moment(ofBurst: taken / burst) }

    /// Takes the next message, if it is due.
    ///
    /// - Returns: When it was due.
    @inline(__always)
    mutating func take(by now: UInt64) -> UInt64? {
        let due = next
        guard due <= now else { return nil }
        taken += 1
        return due
    }

    /// Counts those that are due and have not been taken, with the time that they have waited.
    func overdue(at now: UInt64, _ note: (_ waited: UInt64, _ count: Int) -> Void) {
        var number = taken / burst
        var count = burst - taken % burst
        while case let due = moment(ofBurst: number), due <= now {
            note(now - due, count)
            number += 1
            count = burst
        }
    }
}
