import Dispatch

/// Runs an actor on a thread of its own, which may block.
///
/// Reading from a keyboard and writing to a full pipe block. On one of the few threads that Swift's tasks share, or on
/// an event loop, they would block everything else too, including the heartbeat.
final class BlockingExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String) {
        queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
