import LifelineLocks

/// Runs work for a loop whose thread has ended: one function after the other, on a thread that adds one.
///
/// Such a loop has no open sockets, but handles may outlive it, and a task that asks one of them must not wait for ever.
final class WorkAfterEnd: Sendable {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var isRunning = false
    }

    private let state = Lock(State())

    func run(_ work: @escaping @Sendable () -> Void) {
        let mustRun = state.withLock { state in
            state.work.append(work)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard mustRun else { return }
        while true {
            let batch = state.withLock { state in
                defer { state.work = [] }
                if state.work.isEmpty { state.isRunning = false }
                return state.work
            }
            guard !batch.isEmpty else { return }
            for work in batch { work() }
        }
    }
}
