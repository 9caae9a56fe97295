import LifelineCore

/// How much work a loop does for one connection before the others have their turn.
///
/// Work is counted in bytes: those of each message, after it has been decompressed, and an equivalent for what it costs to
/// handle a message, a request or another event at all. It is counted in quanta; behind each the clock is looked at, since
/// what a handler does with a message is its own affair.
struct WorkBudget {
    /// What an event counts besides its bytes.
    static let event = 1 << 10
    /// What an HTTP request counts.
    static let request = 32 << 10
    /// What counts where an endpoint has worked for as long as it may without an event.
    static let inProgress = 64 << 10

    private static let quantum = 32 << 10
    private static let maximumQuanta = 32
    /// The longest that a connection's turn goes on behind its first quantum.
    private static let maximumDuration = Duration.milliseconds(2)

    /// What is left of the quantum.
    private var left = 0
    private var quanta = 0
    private var began: Instant?

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
    @inline(__always)
    mutating func spend(_ work: Int, _ driver: any LoopDriver) {
        left &-= work
        if left <= 0 { takeQuantum(driver) }
    }

    /// Ends the connection's turn.
    mutating func end() {
        left = 0
        quanta = WorkBudget.maximumQuanta
    }

    @inline(never)
    private mutating func takeQuantum(_ driver: any LoopDriver) {
        // What passes the quantum by far counts for as many.
        let taken = 1 - left / WorkBudget.quantum
        guard quanta + taken <= WorkBudget.maximumQuanta else { return end() }
        let now = driver.now()
        if quanta == 1 {
            began = now
        } else if let began, now.duration(since: began) > WorkBudget.maximumDuration {
            return end()
        }
        quanta += taken
        left += taken * WorkBudget.quantum
    }
}
