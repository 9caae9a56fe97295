import LifelineCore
import NIOCore
import NIOPosix
import Synchronization

/// A SwiftNIO event loop as the driver of a ``Loop``.
final class NIOLoopDriver: LoopDriver {
    let eventLoop: any EventLoop
    /// Confined to the event loop.
    private nonisolated(unsafe) var scheduled: Scheduled<Void>?

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
    private let loops: [ObjectIdentifier: Loop]

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
                (ObjectIdentifier(eventLoop), Loop(driver: NIOLoopDriver(eventLoop)))
            })
    }

    /// Ends the threads of an engine with event loops of its own.
    func shutDown() async {
        // It can only fail where it has been shut down before.
        if ownsGroup { try? await group.shutdownGracefully() }
    }

    /// Our loop upon one of the group's event loops.
    func loop(of eventLoop: any EventLoop) -> Loop {
        guard let loop = loops[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("the event loop is not of the engine's group")
        }
        return loop
    }

    /// All loops.
    var all: some Collection<Loop> { loops.values }

    /// Numbers connections within the process.
    private static let lastConnectionID = Atomic<UInt64>(0)

    static func nextConnectionID() -> UInt64 {
        lastConnectionID.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
