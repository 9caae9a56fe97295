package import LifelineCore

/// What a loop needs of the engine that runs it.
package protocol LoopDriver: AnyObject, Sendable {
    /// Has the kernel take what transports have flushed so far, where it does not take it by itself: in the middle of a turn
    /// that reaches many connections.
    func pushOut()

    /// Whether the caller runs on the loop.
    var isOnLoop: Bool { get }

    /// The time on the loop's monotonic clock.
    func now() -> MonotonicInstant

    /// The time at which what happens now was noticed: for the hot path, where asking the clock would cost too much.
    var tickTime: MonotonicInstant { get }

    /// Runs a function on the loop soon, also from outside of it.
    func execute(_ work: @escaping @Sendable () -> Void)

    /// Runs a function once the sockets that are ready have had their turn. On the loop only.
    func executeNextRound(_ work: @escaping @Sendable () -> Void)

    /// Runs `Loop.timersAreDue` at an instant; a later call replaces an earlier one. On the loop only.
    func wake(at instant: MonotonicInstant, _ loop: Loop)

    /// Where tasks run that are nobody's handler; `nil` for Swift's own threads.
    var backgroundExecutor: (any TaskExecutor)? { get }

    /// Suspends a task for some time of the loop's clock.
    ///
    /// - Throws: `CancellationError` where the task is cancelled.
    func sleep(for duration: Duration) async throws
}

extension LoopDriver {
    package var tickTime: MonotonicInstant { now() }

    package func pushOut() {}

    package func executeNextRound(_ work: @escaping @Sendable () -> Void) { execute(work) }

    package var backgroundExecutor: (any TaskExecutor)? { nil }

    package func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
