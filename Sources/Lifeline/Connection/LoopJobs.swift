import LifelineLocks

/// The jobs of handlers that wait for their loop.
///
/// Jobs that are enqueued on the loop itself, by a connection that resumes its handler, are run inline before the loop
/// goes back to its poller: no lock, no wake-up. Jobs from elsewhere go through a mailbox, and any number of them wake
/// the loop once.
///
/// `@unchecked Sendable`: what is not behind the lock is confined to the loop, to which `isOnLoop` testifies before each
/// access.
final class LoopJobs: @unchecked Sendable {
    /// The most jobs that one turn runs, so that handlers that keep each other busy cannot starve the sockets.
    private static let maximumJobsPerTurn = 1024

    private struct Mailbox {
        var jobs: [UnownedJob] = []
        var loopIsWoken = false
    }

    private let mailbox = Lock(Mailbox())
    @exclusivity(unchecked) private var jobs: [UnownedJob] = []
    /// The loop's own flag that a turn is under way, at whose end the jobs are run.
    @exclusivity(unchecked) private var isInTurn = false

    /// Takes a job, from wherever.
    @inline(__always)
    func enqueue(_ job: UnownedJob, _ loop: Loop) {
        if loop.isOnLoop {
            jobs.append(job)
            if !isInTurn, jobs.count == 1 { runSoon(loop) }
        } else {
            enqueueFromElsewhere(job, loop)
        }
    }

    private func enqueueFromElsewhere(_ job: UnownedJob, _ loop: Loop) {
        let mustWake = mailbox.withLock { mailbox in
            mailbox.jobs.append(job)
            defer { mailbox.loopIsWoken = true }
            return !mailbox.loopIsWoken
        }
        if mustWake { runSoon(loop) }
    }

    private func runSoon(_ loop: Loop) {
        loop.driver.execute { loop.runJobs() }
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
    func endTurn(_ loop: Loop) {
        isInTurn = false
        // Sockets come before handlers that keep each other busy.
        if hasJobs { loop.driver.executeNextRound { loop.runJobs() } }
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
    func drain(_ loop: Loop) {
        if !jobs.isEmpty { drainJobs(loop.asUnownedTaskExecutor()) }
    }

    private func drainJobs(_ executor: UnownedTaskExecutor) {
        var next = 0
        while next < jobs.count, next < LoopJobs.maximumJobsPerTurn {
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
