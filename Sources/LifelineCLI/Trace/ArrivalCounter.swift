import LifelineLocks

/// Counts what arrives, for those who wait for so much of it.
final class ArrivalCounter: Sendable {
    private struct State {
        var count = 0
        var hasEnded = false
        /// What is waited for, by one task at a time.
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    func increment() {
        wake { $0.count += 1 }
    }

    /// Nothing more will arrive.
    func end() {
        wake { $0.hasEnded = true }
    }

    /// Waits for so many that have not been waited for before, or for the end.
    ///
    /// - Parameter patience: How long each may take.
    /// - Returns: Whether they came, or the end did, in time.
    func wait(for count: Int, patience: Duration) async -> Bool {
        var missing = count
        while missing > 0 {
            guard let taken = await take(atMost: missing, patience) else { return false }
            if taken == 0 { return true }
            missing -= taken
        }
        return true
    }

    /// Takes all that there are at once, so that however many are waited for, nothing is done for each.
    ///
    /// - Returns: How many they are; 0 at the end, and `nil` where none came in time.
    private func take(atMost most: Int, _ patience: Duration) async -> Int? {
        let deadline = ContinuousClock.now + patience
        let timeout = Task {
            try await Task.sleep(until: deadline)
            self.wake { _ in }
        }
        defer { timeout.cancel() }
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
