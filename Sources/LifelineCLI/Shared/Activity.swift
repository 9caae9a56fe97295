import LifelineLocks

/// When something happened last, so that silence can be told from work; and whether what was sent has been answered.
final class Activity: Sendable {
    private struct State {
        var last = ContinuousClock.now
        var ongoing = 0
        /// The messages that have come.
        var received = 0
        /// How many had come when the first was sent, and the last.
        var atFirst: Int?
        var atLast = 0
    }

    /// What has had no answer: no message has come since.
    enum Unanswered {
        /// Nothing that was sent has one.
        case everything
        /// What was sent last has none.
        case theLast
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

    /// A message is about to be sent.
    func noteSending() {
        state.withLock { state in
            state.atFirst = state.atFirst ?? state.received
            state.atLast = state.received
        }
    }

    /// A message has come.
    func noteReceived() {
        state.withLock { $0.received += 1 }
    }

    /// What has had no answer until now; `nil` where nothing was sent, or something has come since.
    var unanswered: Unanswered? {
        state.withLock { state in
            guard let atFirst = state.atFirst else { return nil }
            if state.received == atFirst { return .everything }
            return state.received == state.atLast ? .theLast : nil
        }
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
