package import LifelineCore

/// The engine's part of an event loop: a clock, timers, and work from other threads.
package protocol LoopDriver: AnyObject, Sendable {
    /// Submits the output that transports have flushed so far, if the engine defers that. Called in the middle of a turn that
    /// writes to many connections.
    func pushOut()

    /// Whether the caller runs on the loop.
    var isOnLoop: Bool { get }

    /// The time on the loop's monotonic clock.
    func now() -> MonotonicInstant

    /// The time at which the current batch of events began, for the hot path, where reading the clock would cost too much.
    var tickTime: MonotonicInstant { get }

    /// Runs a function on the loop soon. Called from any thread.
    func execute(_ work: @escaping @Sendable () -> Void)

    /// Runs a function when the sockets that are ready have had their turn. On the loop only.
    func executeNextRound(_ work: @escaping @Sendable () -> Void)

    /// Calls `Loop.timersAreDue` at an instant. A later call replaces an earlier one. On the loop only.
    func wake(at instant: MonotonicInstant, _ loop: Loop)

    /// The executor of tasks that are not handlers; `nil` for Swift's own threads.
    var backgroundExecutor: (any TaskExecutor)? { get }

    /// Suspends a task for a duration of the loop's clock.
    ///
    /// - Throws: `CancellationError` if the task is cancelled.
    func sleep(for duration: Duration) async throws
}

extension LoopDriver {
    package var tickTime: MonotonicInstant { now() }

    package func pushOut() {}

    package func executeNextRound(_ work: @escaping @Sendable () -> Void) { execute(work) }

    package var backgroundExecutor: (any TaskExecutor)? { nil }

    package func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
