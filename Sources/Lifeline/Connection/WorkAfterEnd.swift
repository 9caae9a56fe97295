import LifelineLocks

/// Runs functions for a loop whose thread has ended, one at a time, on the thread that adds them.
///
/// Such a loop has no open sockets, but handles may outlive it, and a task that asks one of them must not wait forever.
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
