import LifelineCore

/// How much work a loop does for one connection before the others have their turn.
///
/// Work is counted in bytes: the size of each message after decompression, plus a fixed amount for each message, each
/// request or another event at all. A turn consists of quanta. The clock is read after each of them, because a handler may
/// spend any time on a message.
struct WorkBudget {
    /// The bytes that an event counts in addition to its own.
    static let event = 1 << 10
    /// The bytes that an HTTP request counts.
    static let request = 32 << 10
    /// The bytes that count when an endpoint has done as much work as it may without an event.
    static let inProgress = 64 << 10

    private static let quantum = 32 << 10
    private static let maximumQuanta = 32
    /// How long a connection's turn may last after its first quantum, divided by the number of connections that wait.
    private static let maximumDuration = Duration.milliseconds(2)

    /// What is left of the current quantum.
    private var left = 0
    private var quanta = 0
    private var began: MonotonicInstant?

    /// Whether the connection's turn is over.
    @inline(__always)
    var isSpent: Bool { left <= 0 }

    /// Begins a connection's turn.
    @inline(__always)
    mutating func begin() {
        left = WorkBudget.quantum
        quanta = 1
    }

    /// Counts work.
    ///
    /// - Returns: `true` when the quantum is used up and the caller must call ``takeQuantum(at:rivals:)``.
    @inline(__always)
    mutating func spend(_ work: Int) -> Bool {
        left &-= work
        return left <= 0
    }

    /// Ends the connection's turn.
    mutating func end() {
        left = 0
        quanta = WorkBudget.maximumQuanta
    }

    /// Starts another quantum, or ends the turn if the connection has used its share.
    ///
    /// - Parameter rivals: The number of other connections that wait for a turn. The longest turn is divided by that
    ///   number plus one, so that many busy connections together do not delay the others.
    @inline(never)
    mutating func takeQuantum(at now: MonotonicInstant, rivals: Int) {
        // Work that exceeds the quantum by far counts as several.
        let taken = 1 - left / WorkBudget.quantum
        guard quanta + taken <= WorkBudget.maximumQuanta else { return end() }
        if quanta == 1 {
            began = now
        } else if let began, began.duration(to: now) > WorkBudget.maximumDuration / (rivals + 1) {
            return end()
        }
        quanta += taken
        left += taken * WorkBudget.quantum
    }
}
