import Lifeline

/// Sends an update at each interval.
struct PushFeed: Sendable {
    let interval: Duration

    /// Pushes until the connection ends.
    func run(_ socket: WebSocket) async throws {
        try await withThrowingTaskGroup { group in
            // Ignores messages. When the client closes, this task ends, and the other one is cancelled.
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
            // Counted from the last due time, so that the time that sending takes does not add up.
            next = max(next.advanced(by: interval), clock.now)
            try await clock.sleep(until: next)
        }
    }
}
