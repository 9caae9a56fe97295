import Lifeline

extension WebSocket {
    /// Sends a Ping, and waits for its Pong, up to a timeout.
    ///
    /// - Returns: Whether the Pong arrived in time.
    /// - Throws: `WebSocketError` if the connection ends.
    @discardableResult
    func ping(timeout: Duration) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                _ = try await self.ping()
                return true
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
