import LifelineLocks

/// A task that sleeps in virtual time.
final class Sleeper: Sendable {
    private enum State {
        case new
        case asleep(UnsafeContinuation<Void, Never>)
        case awake
    }

    private let state = Lock(State.new)

    /// Suspends the task, or resumes it at once if it has been woken already.
    ///
    /// - Returns: Whether the task sleeps.
    func sleep(_ continuation: UnsafeContinuation<Void, Never>) -> Bool {
        let sleeps = state.withLock { state in
            guard case .new = state else { return false }
            state = .asleep(continuation)
            return true
        }
        if !sleeps { continuation.resume() }
        return sleeps
    }

    /// Wakes the task, now or when it goes to sleep.
    func wake() {
        let continuation = state.withLock { state in
            defer { state = .awake }
            guard case .asleep(let continuation) = state else { return nil as UnsafeContinuation<Void, Never>? }
            return continuation
        }
        continuation?.resume()
    }
}
