import Lifeline

extension WebSocket {
    /// Sends a Ping, and waits for its Pong, or for so long.
    ///
    /// - Returns: Whether the Pong has come.
    /// - Throws: What the library throws where the connection has ended.
    @discardableResult
    func ping(waitingFor patience: Duration) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                _ = try await self.ping()
                return true
            }
            group.addTask {
                try await Task.sleep(for: patience)
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
