import Lifeline

/// Sends updates at an interval, unasked.
struct PushFeed: Sendable {
    let interval: Duration

    /// Pushes until the connection ends.
    func run(_ socket: WebSocket) async throws {
        try await withThrowingTaskGroup { group in
            // Nothing is expected from the client but its end, at which the other task is not to sleep on.
            group.addTask { for try await _ in socket {} }
            group.addTask { try await push(to: socket) }
            try await group.next()
            group.cancelAll()
        }
    }

    private func push(to socket: WebSocket) async throws {
        let clock = ContinuousClock()
        var next = clock.now
        for number in 1... {
            try await socket.send("update \(number) at \(Timestamp.now.rfc3339)")
            // By the clock, so that the time it takes to send does not add up.
            next = max(next.advanced(by: interval), clock.now)
            try await clock.sleep(until: next)
        }
    }
}
