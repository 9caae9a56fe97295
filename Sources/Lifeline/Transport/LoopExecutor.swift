import Synchronization

/// Runs the jobs of handlers on their connection's loop.
///
/// Jobs that are enqueued on the loop itself, by a connection that resumes its handler, are run inline before the loop
/// goes back to its poller: no lock, no wake-up. Jobs from elsewhere go through a mailbox, and any number of them wake
/// the loop once.
final class LoopExecutor: TaskExecutor {
    /// The most jobs that one turn runs, so that handlers that keep each other busy cannot starve the sockets.
    private static let maximumJobsPerTurn = 1024

    private struct Mailbox {
        var jobs: [UnownedJob] = []
        var loopIsWoken = false
    }

    private let driver: any LoopDriver
    private let mailbox = Mutex(Mailbox())
    /// Confined to the loop, to which `driver.isOnLoop` testifies before each access.
    @exclusivity(unchecked) private nonisolated(unsafe) var jobs: [UnownedJob] = []
    /// The loop's own flag that a turn is under way, at whose end the jobs are run.
    @exclusivity(unchecked) private nonisolated(unsafe) var isInTurn = false
    /// The function that runs a turn around the jobs.
    @exclusivity(unchecked) private nonisolated(unsafe) var turn: (@Sendable () -> Void)?

    init(driver: any LoopDriver) {
        self.driver = driver
    }

    /// Sets the function that is run on the loop when jobs wait outside of any turn.
    func setTurn(_ turn: @escaping @Sendable () -> Void) {
        self.turn = turn
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if driver.isOnLoop {
            jobs.append(job)
            if !isInTurn, jobs.count == 1, let turn { driver.execute(turn) }
        } else {
            let mustWake = mailbox.withLock { mailbox in
                mailbox.jobs.append(job)
                defer { mailbox.loopIsWoken = true }
                return !mailbox.loopIsWoken
            }
            if mustWake, let turn { driver.execute(turn) }
        }
    }

    /// Whether jobs wait. On the loop only.
    @inline(__always)
    var hasJobs: Bool { !jobs.isEmpty }

    /// Notes that a turn begins. On the loop only.
    @inline(__always)
    func beginTurn() {
        isInTurn = true
    }

    /// Notes that a turn ends; jobs that are left get one of their own. On the loop only.
    @inline(__always)
    func endTurn() {
        isInTurn = false
        if hasJobs, let turn { driver.execute(turn) }
    }

    /// Takes what other threads have enqueued. On the loop only.
    func collectMail() {
        let mail = mailbox.withLock { mailbox in
            mailbox.loopIsWoken = false
            let jobs = mailbox.jobs
            mailbox.jobs.removeAll()
            return jobs
        }
        jobs.append(contentsOf: mail)
    }

    /// Runs the jobs, and those that they enqueue. On the loop only.
    @inline(__always)
    func drain() {
        if !jobs.isEmpty { drainJobs() }
    }

    private func drainJobs() {
        let executor = asUnownedTaskExecutor()
        var next = 0
        while next < jobs.count, next < LoopExecutor.maximumJobsPerTurn {
            let job = jobs[next]
            next += 1
            job.runSynchronously(on: executor)
        }
        if next == jobs.count {
            jobs.removeAll(keepingCapacity: true)
        } else {
            jobs.removeFirst(next)
        }
    }
}
