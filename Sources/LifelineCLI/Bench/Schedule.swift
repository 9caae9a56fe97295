import Lifeline

/// The times at which messages are due at a fixed rate, independently of the answers to earlier ones.
///
/// A load generator that waits for an answer before it sends the next message sends less to a server that stalls, and
/// does not see how long the unsent messages would have waited: *coordinated omission*. With a schedule, the latency of
/// a late message is counted from when it was due.
///
/// At high rates, messages are due in bursts, as often as a thread can reasonably wake up.
struct Schedule: Sendable {
    /// When the first message is due, in nanoseconds.
    let start: UInt64
    /// The time between two messages, in nanoseconds.
    private let interval: Double
    /// The number of messages in a burst.
    let burst: Int
    /// The number of messages taken.
    private(set) var taken = 0

    /// The least time between two bursts, in nanoseconds.
    static let grain: Double = 250_000

    /// - Parameter rate: Messages per second.
    init(start: UInt64, rate: Double) {
        self.start = start
        interval = 1e9 / rate
        burst = max(Int(saturating: (Schedule.grain / interval).rounded(.up)), 1)
    }

    /// When a burst is due, in nanoseconds.
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

    /// Calls `note` for the messages that are due and not taken, with the time that they have waited.
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
