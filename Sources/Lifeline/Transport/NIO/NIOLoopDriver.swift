import LifelineCore
import NIOCore
import NIOPosix
import Synchronization

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
        scheduled = eventLoop.scheduleTask(deadline: deadline) { [weak loop] in loop?.timersAreDue() }
    }
}

/// The loops of a SwiftNIO event loop group.
final class NIOEngine: Sendable {
    let group: any EventLoopGroup
    private let ownsGroup: Bool
    private let loops: [ObjectIdentifier: (loop: Loop, driver: NIOLoopDriver)]

    /// The engine over the process's shared event loops.
    static let shared = NIOEngine(group: .singletonMultiThreadedEventLoopGroup)

    /// An engine with event loops of its own.
    convenience init(loopCount: Int) {
        self.init(group: MultiThreadedEventLoopGroup(numberOfThreads: loopCount), ownsGroup: true)
    }

    init(group: any EventLoopGroup, ownsGroup: Bool = false) {
        self.group = group
        self.ownsGroup = ownsGroup
        loops = Dictionary(
            uniqueKeysWithValues: group.makeIterator().map { eventLoop in
                let driver = NIOLoopDriver(eventLoop)
                let loop = Loop(driver: driver)
                eventLoop.execute { loop.bindToCurrentThread() }
                return (ObjectIdentifier(eventLoop), (loop, driver))
            })
    }

    /// Ends the threads of an engine with event loops of its own.
    func shutDown() async {
        // It can only fail where it has been shut down before.
        if ownsGroup { try? await group.shutdownGracefully() }
    }

    /// Our loop upon one of the group's event loops.
    func loop(of eventLoop: any EventLoop) -> Loop {
        entry(of: eventLoop).loop
    }

    /// The buffers of one of the group's event loops; to be used there.
    func buffers(of eventLoop: any EventLoop) -> NIOBufferPool {
        entry(of: eventLoop).driver.buffers
    }

    private func entry(of eventLoop: any EventLoop) -> (loop: Loop, driver: NIOLoopDriver) {
        guard let entry = loops[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("the event loop is not of the engine's group")
        }
        return entry
    }

    /// All loops.
    var all: some Collection<Loop> { loops.values.map(\.loop) }

    /// Numbers connections within the process.
    private static let lastConnectionID = Atomic<UInt64>(0)

    static func nextConnectionID() -> UInt64 {
        lastConnectionID.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
