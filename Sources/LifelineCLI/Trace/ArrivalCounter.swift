import LifelineLocks

/// Counts arrivals, and lets a task wait for a number of them.
final class ArrivalCounter: Sendable {
    private struct State {
        var count = 0
        var hasEnded = false
        /// The waiting task. There is one at a time.
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    func increment() {
        wake { $0.count += 1 }
    }

    /// Notes that nothing more will arrive.
    func end() {
        wake { $0.hasEnded = true }
    }

    /// Waits for a number of arrivals that no earlier call has waited for, or for the end.
    ///
    /// - Parameter timeout: How long each arrival may take.
    /// - Returns: Whether they arrived in time. The end counts as an arrival of all.
    func wait(for count: Int, timeout: Duration) async -> Bool {
        var missing = count
        while missing > 0 {
            guard let taken = await take(atMost: missing, timeout) else { return false }
            if taken == 0 { return true }
            missing -= taken
        }
        return true
    }

    /// Takes all arrivals so far at once, so that the work does not depend on their number.
    ///
    /// - Returns: The number of arrivals; 0 at the end, and `nil` after the timeout.
    private func take(atMost most: Int, _ timeout: Duration) async -> Int? {
        let deadline = ContinuousClock.now + timeout
        let alarm = Task {
            try await Task.sleep(until: deadline)
            self.wake { _ in }
        }
        defer { alarm.cancel() }
        while true {
            let (taken, hasEnded) = state.withLock { state in
                let taken = min(state.count, most)
                state.count -= taken
                return (taken, state.hasEnded)
            }
            if taken > 0 || hasEnded { return taken }
            guard ContinuousClock.now < deadline else { return nil }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.count > 0 || state.hasEnded || ContinuousClock.now >= deadline { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            return state.waiter.take()
        }
        waiter?.resume()
    }
}
