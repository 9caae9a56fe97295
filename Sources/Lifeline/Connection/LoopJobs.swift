/// The jobs of handlers that wait to run on their loop.
///
/// Jobs that are enqueued on the loop itself, when a connection resumes its handler, run inline before the loop polls again,
/// without a lock or a wake-up. Jobs from other threads go through a mailbox, and any number of them wakes the loop once.
///
/// `@unchecked Sendable`: everything but the mailbox is confined to the loop; each access checks `isOnLoop` or asserts it.
final class LoopJobs: @unchecked Sendable {
    /// The most jobs that one turn runs, so that handlers that resume each other cannot starve the sockets.
    private static let maximumJobsPerTurn = 1024

    private let mailbox = Mailbox<UnownedJob>()
    @exclusivity(unchecked) private var jobs: [UnownedJob] = []
    /// Whether a turn is under way, at whose end the jobs run.
    @exclusivity(unchecked) private var isInTurn = false

    /// Takes a job, from any thread.
    @inline(__always)
    func enqueue(_ job: UnownedJob, _ loop: Loop) {
        if loop.isOnLoop {
            jobs.append(job)
            if !isInTurn, jobs.count == 1 { runSoon(loop) }
        } else {
            enqueueOffLoop(job, loop)
        }
    }

    private func enqueueOffLoop(_ job: UnownedJob, _ loop: Loop) {
        if case .mustWake = mailbox.add(job) { runSoon(loop) }
    }

    private func runSoon(_ loop: Loop) {
        loop.driver.execute { loop.runJobs() }
    }

    /// Whether jobs wait. On the loop only.
    @inline(__always)
    var hasJobs: Bool { !jobs.isEmpty }

    /// Records that a turn begins. On the loop only.
    @inline(__always)
    func beginTurn() {
        isInTurn = true
    }

    /// Records that a turn ends, and has the remaining jobs run in another one. On the loop only.
    @inline(__always)
    func endTurn(_ loop: Loop) {
        isInTurn = false
        // The sockets come first, before handlers that resume each other.
        if hasJobs { loop.driver.executeNextRound { loop.runJobs() } }
    }

    /// Takes the jobs that other threads have enqueued. On the loop only.
    func collectMail() {
        jobs.append(contentsOf: mailbox.takeAll())
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
