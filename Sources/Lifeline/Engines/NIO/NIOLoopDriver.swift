import LifelineCore
import NIOCore
import NIOPosix
import Synchronization

/// A SwiftNIO event loop as the driver of a ``Loop``.
final class NIOLoopDriver: LoopDriver {
    let eventLoop: any EventLoop
    /// Confined to the event loop.
    private nonisolated(unsafe) var scheduled: Scheduled<Void>?
    private let hasEnded = Atomic(false)
    private let afterEnd = WorkAfterEnd()
    /// Confined to the event loop.
    nonisolated(unsafe) let buffers = NIOBufferPool()
    /// Work for after the sockets that are ready have had their turn. Confined to the event loop.
    private nonisolated(unsafe) var nextRound: [@Sendable () -> Void] = []

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    var isOnLoop: Bool { eventLoop.inEventLoop }

    func now() -> MonotonicInstant {
        MonotonicInstant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    }

    func execute(_ work: @escaping @Sendable () -> Void) {
        if hasEnded.load(ordering: .acquiring) { afterEnd.run(work) } else { eventLoop.execute(work) }
    }

    func executeNextRound(_ work: @escaping @Sendable () -> Void) {
        eventLoop.assertInEventLoop()
        // An event loop runs all tasks, including those that tasks add, before it polls its sockets again. So this work waits
        // for a timer, which is set when all other tasks have run.
        nextRound.append(work)
        guard nextRound.count == 1 else { return }
        eventLoop.execute {
            self.eventLoop.scheduleTask(in: .microseconds(50)) {
                let round = self.nextRound
                self.nextRound = []
                for work in round { work() }
            }
        }
    }

    /// Records that the event loop has been shut down.
    func end() {
        hasEnded.store(true, ordering: .releasing)
    }

    func wake(at instant: MonotonicInstant, _ loop: Loop) {
        eventLoop.assertInEventLoop()
        scheduled?.cancel()
        let deadline = NIODeadline.uptimeNanoseconds(UInt64(clamping: instant.nanoseconds))
        scheduled = eventLoop.scheduleTask(deadline: deadline) { loop.timersAreDue() }
    }
}
