import Synchronization

/// One task's wait for something on a connection's loop.
///
/// The task may be cancelled on any thread, even before its wait has reached the loop, which sees the cancellation in
/// either case.
final class Wait: Sendable, Equatable {
    private let cancelled = Atomic(false)

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    func cancel() {
        cancelled.store(true, ordering: .releasing)
    }

    static func == (left: Wait, right: Wait) -> Bool { left === right }
}
