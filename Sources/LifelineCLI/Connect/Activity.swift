import LifelineLocks

/// When something happened last, so that silence can be told from work.
final class Activity: Sendable {
    private struct State {
        var last = ContinuousClock.now
        var ongoing = 0
    }

    private let state = Lock(State())

    /// Something is being done, and silence begins no earlier than at its end.
    func during<Result, Failure: Error>(
        _ body: nonisolated(nonsending) () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        state.withLock { $0.ongoing += 1 }
        defer {
            state.withLock { state in
                state.ongoing -= 1
                state.last = .now
            }
        }
        return try await body()
    }

    /// Waits until nothing has happened for that long.
    func waitForSilence(_ limit: Duration) async throws {
        let begin = ContinuousClock.now
        while true {
            let idle = state.withLock { state in
                state.ongoing > 0 ? .zero : max(state.last, begin).duration(to: .now)
            }
            guard idle < limit else { return }
            try await Task.sleep(for: max(limit - idle, .milliseconds(1)))
        }
    }
}
