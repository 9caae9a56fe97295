import LifelineLocks

/// Something that tasks wait for, and that comes when a test says so, or never.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var lastNumber = 0
        var waiters: [Int: UnsafeContinuation<Void, Never>] = [:]
    }

    private let state = Lock(State())

    /// Waits until the gate is opened.
    ///
    /// - Throws: `CancellationError` where the task is cancelled.
    func wait() async throws {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let mayPass = state.withLock { state in
                    if state.isOpen || Task.isCancelled { return true }
                    state.waiters[number] = continuation
                    return false
                }
                if mayPass { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
        try Task.checkCancellation()
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Lets through all who wait, and who come later.
    func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }
}
