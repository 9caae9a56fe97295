import Lifeline

/// A task of a test and what became of it. Confined to the simulation's thread.
final class Running<Value>: @unchecked Sendable {
    var result: Result<Value, any Error>?
    var task: Task<Void, Never>?

    /// Starts a task on an executor.
    static func start(
        on executor: any TaskExecutor, _ body: @escaping @Sendable () async throws -> Value
    ) -> Running {
        let running = Running()
        running.task = Task(executorPreference: executor) {
            do {
                running.result = .success(try await body())
            } catch {
                running.result = .failure(error)
            }
        }
        return running
    }

    /// A task that has not ended when the test looked.
    struct StillRunning: Error {}

    var hasEnded: Bool { result != nil }

    /// What the task returned.
    var value: Value {
        get throws {
            guard let result else { throw StillRunning() }
            return try result.get()
        }
    }

    /// What the task threw.
    var error: WebSocketError? {
        guard case .failure(let error)? = result else { return nil }
        return error as? WebSocketError
    }

    func cancel() {
        task?.cancel()
    }

    /// Lets go of what the task returned.
    func forget() {
        result = nil
        task = nil
    }
}
