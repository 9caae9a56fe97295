import LifelineLocks

/// Runs what is asked of a loop whose thread has ended: one thing after the other, on the thread that asks.
///
/// Nothing is open on such a loop any more, but a connection can be kept for longer, and nobody is to wait for ever for an
/// answer from it.
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
