import LifelineCore
import NIOCore
import NIOPosix

/// A SwiftNIO event loop as the driver of a ``Loop``.
final class NIOLoopDriver: LoopDriver {
    let eventLoop: any EventLoop
    /// Confined to the event loop.
    private nonisolated(unsafe) var scheduled: Scheduled<Void>?
    /// Likewise.
    nonisolated(unsafe) let buffers = NIOBufferPool()

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    var isOnLoop: Bool { eventLoop.inEventLoop }

    func now() -> Instant {
        Instant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    }

    func execute(_ work: @escaping @Sendable () -> Void) {
        eventLoop.execute(work)
    }

    func wake(at instant: Instant, _ loop: Loop) {
        scheduled?.cancel()
        let deadline = NIODeadline.uptimeNanoseconds(UInt64(clamping: instant.nanoseconds))
        scheduled = eventLoop.scheduleTask(deadline: deadline) { loop.timersAreDue() }
    }
}
