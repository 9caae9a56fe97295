import Lifeline
import LifelineLocks

/// Ends a replay early, at the first SIGINT or SIGTERM.
final class ReplayInterruption: Sendable {
    private struct State {
        var isInterrupted = false
        var playing: Task<Void, Never>?
    }

    private let state = Lock(State())

    /// Whether a signal has arrived.
    var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

    /// Sets the task that plays the steps. ``interrupt()`` cancels it.
    func begin(_ task: Task<Void, Never>) {
        let isLate = state.withLock { state in
            state.playing = task
            return state.isInterrupted
        }
        if isLate { task.cancel() }
    }

    /// Cancels the task that plays the steps, so that the connection is closed.
    ///
    /// - Returns: `false` if there is no connection yet.
    func interrupt() -> Bool {
        let playing = state.withLock { state in
            state.isInterrupted = true
            return state.playing
        }
        playing?.cancel()
        return playing != nil
    }
}
