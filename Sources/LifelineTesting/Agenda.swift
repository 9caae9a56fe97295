import Lifeline
import LifelineLocks

/// What is to be done at this moment of a simulation, and who does it.
///
/// `@unchecked Sendable`: `isElsewhere` is touched on the simulation's thread alone, the rest is a mailbox.
final class Agenda: @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    /// Cancellation can bring some from other threads.
    private let ready = Mailbox<Work>()
    /// Whether what runs at the moment counts as a task on some other thread.
    private(set) var isElsewhere = false

    func add(_ work: @escaping Work) {
        _ = ready.add(work)
    }

    /// Does what is ready, and leaves what that makes ready.
    ///
    /// - Returns: How many things were done.
    func runOnce() -> Int {
        let batch = ready.takeAll()
        for work in batch { work() }
        return batch.count
    }

    func removeAll() {
        _ = ready.takeAll()
    }

    /// Runs something as if on another thread: the loop is not the caller's then.
    func elsewhere(_ work: () -> Void) {
        isElsewhere = true
        work()
        isElsewhere = false
    }
}

/// Runs tasks that are not at home on the loop, on the simulation's thread and in the same order each time.
package final class ElsewhereExecutor: TaskExecutor {
    private let agenda: Agenda

    init(_ agenda: Agenda) {
        self.agenda = agenda
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        agenda.add { [self] in
            agenda.elsewhere { job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }
}

/// A task that sleeps in virtual time.
final class Sleeper: Sendable {
    private enum State {
        case new
        case asleep(UnsafeContinuation<Void, Never>)
        case awake
    }

    private let state = Lock(State.new)

    /// Notes that the task sleeps; resumes it where it has been woken already.
    ///
    /// - Returns: Whether it sleeps.
    func sleep(_ continuation: UnsafeContinuation<Void, Never>) -> Bool {
        let sleeps = state.withLock { state in
            guard case .new = state else { return false }
            state = .asleep(continuation)
            return true
        }
        if !sleeps { continuation.resume() }
        return sleeps
    }

    func wake() {
        let continuation = state.withLock { state in
            defer { state = .awake }
            guard case .asleep(let continuation) = state else { return nil as UnsafeContinuation<Void, Never>? }
            return continuation
        }
        continuation?.resume()
    }
}
