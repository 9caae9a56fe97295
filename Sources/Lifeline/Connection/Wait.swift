import Synchronization

/// One task's wait for something on a connection's loop.
///
/// The task may be cancelled from any thread, also before its wait has reached the loop: `cancel` is seen there in either
/// order.
final class Wait: Sendable, Equatable {
    private let cancelled = Atomic(false)

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    func cancel() {
        cancelled.store(true, ordering: .releasing)
    }

    static func == (left: Wait, right: Wait) -> Bool { left === right }
}
