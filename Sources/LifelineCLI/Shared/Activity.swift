import LifelineLocks

/// Keeps track of when something was last sent or received, and of whether messages were answered.
final class Activity: Sendable {
    private struct State {
        var last = ContinuousClock.now
        var ongoing = 0
        /// The number of received messages.
        var received = 0
        /// The number of messages received before the first one was sent, and before the last.
        var atFirst: Int?
        var atLast = 0
    }

    /// The messages without an answer: nothing was received after them.
    enum Unanswered {
        /// All messages.
        case everything
        /// The last message.
        case theLast
    }

    private let state = Lock(State())

    /// Runs a function. Silence begins when it returns, at the earliest.
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

    /// Notes that a message is about to be sent.
    func noteSending() {
        state.withLock { state in
            state.atFirst = state.atFirst ?? state.received
            state.atLast = state.received
        }
    }

    /// Notes that a message was received.
    func noteReceived() {
        state.withLock { $0.received += 1 }
    }

    /// The messages that have no answer yet, or `nil` if nothing was sent, or something was received after the last
    /// one.
    var unanswered: Unanswered? {
        state.withLock { state in
            guard let atFirst = state.atFirst else { return nil }
            if state.received == atFirst { return .everything }
            return state.received == state.atLast ? .theLast : nil
        }
    }

    /// Waits until nothing was sent or received for this long.
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
