#if os(Linux)
import CLifelineLinux
import LifelineCore
import NIOCore
import Synchronization

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A thread that waits for sockets and runs their connections: the driver of a ``Loop``, without SwiftNIO.
///
/// Implements the thread, work from other threads, and timers. Subclasses implement how it waits: ``EpollLoop`` asks epoll
/// which sockets are ready, ``UringLoop`` has the kernel fill buffers.
///
/// `@unchecked Sendable`: all state is confined to the loop's thread, except what is atomic or in the mailbox.
class LinuxLoop: LoopDriver, @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    private struct Delayed {
        var instant: MonotonicInstant
        var work: Work
    }

    /// The loop that this one drives. The owner of both keeps it alive until the thread has ended.
    @exclusivity(unchecked) private(set) unowned(unsafe) var loop: Loop!
    /// An eventfd that wakes the thread.
    let wakeDescriptor: CInt
    /// Work from other threads. Closed when the thread ends.
    private let mailbox = Mailbox<Work>()
    private let afterEnd = WorkAfterEnd()
    private let mustStop = Atomic(false)
    /// The number of connections of the loop, including those that are being handed to it.
    let load = Atomic(0)

    /// Whether the mailbox may have items.
    @exclusivity(unchecked) var mailHasArrived = false
    @exclusivity(unchecked) private var work: [Work] = []
    @exclusivity(unchecked) private var delayed: [Delayed] = []
    @exclusivity(unchecked) private var nextWake = MonotonicInstant(nanoseconds: .max)
    /// When the thread was last woken.
    @exclusivity(unchecked) private(set) var tickTime = MonotonicInstant(nanoseconds: 0)
    /// Objects to which events of the current batch may refer. They are released after it.
    @exclusivity(unchecked) private var retired: [AnyObject] = []
    private var thread = pthread_t()

    /// - Parameter wakeDescriptor: From ``makeWakeDescriptor()``. The loop owns it from now on.
    init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    /// Makes a descriptor with which other threads wake the loop's.
    static func makeWakeDescriptor() throws -> CInt {
        let descriptor = lifeline_eventfd()
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "eventfd") }
        return descriptor
    }

    deinit {
        _ = closeDescriptor(wakeDescriptor)
    }

    // MARK: Implemented by subclasses

    /// Waits for events, and handles them.
    ///
    /// - Parameter timeout: The longest wait in nanoseconds; negative for no limit.
    func poll(timeout: Int64) {
        preconditionFailure("implemented by subclasses")
    }

    /// Prepares a socket that this side has connected for ``makeTransport(_:_:)``. Accepted sockets need no preparation.
    func prepare(_ descriptor: CInt) throws {}

    /// Makes a transport over a connected socket, which the transport owns from now on.
    func makeTransport(_ descriptor: CInt, _ marks: BufferLimits.Marks) -> LinuxTransport {
        preconditionFailure("implemented by subclasses")
    }

    /// Accepts the connections of a listening socket until ``stopListening(_:_:)``; on the loop.
    ///
    /// - Throws: `IOError` if the kernel refuses. The caller then still owns the socket.
    func listen(_ listener: LinuxListener) throws {
        preconditionFailure("implemented by subclasses")
    }

    /// Stops listening, and calls `done` when the socket is closed; on the loop.
    func stopListening(_ listener: LinuxListener, _ done: @escaping Work) {
        preconditionFailure("implemented by subclasses")
    }

    /// Finishes a waiter when its socket is writable, or after the timeout; on the loop.
    func awaitWritable(_ waiter: LinuxWaiter, timeout: Duration) {
        preconditionFailure("implemented by subclasses")
    }

    // MARK: The thread

    /// Starts the thread, and waits until it runs.
    ///
    /// - Throws: `IOError` if the thread cannot start or cannot set up its poller.
    func start(_ loop: Loop, name: String) throws {
        self.loop = loop
        tickTime = now()
        let startup = try Startup.make()
        let context = Unmanaged.passRetained(
            ThreadContext(driver: self, loop: loop, name: name, startup: startup))
        let result = pthread_create(
            &thread, nil,
            { context in
                let context = Unmanaged<ThreadContext>.fromOpaque(context!).takeRetainedValue()
                context.name.withCString { lifeline_name_thread($0) }
                context.driver.run(context.startup)
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw IOError(errnoCode: result, reason: "pthread_create")
        }
        if let error = startup.wait() {
            // The thread ends without having done anything.
            pthread_join(thread, nil)
            throw error
        }
    }

    /// Reports from a new thread to the one that started it whether it could begin.
    ///
    /// `@unchecked Sendable`: the error is written before the semaphore is raised, and read after that.
    private final class Startup: @unchecked Sendable {
        private let semaphore: UnsafeMutablePointer<sem_t>
        private var error: (any Error)?

        private init(_ semaphore: UnsafeMutablePointer<sem_t>) {
            self.semaphore = semaphore
        }

        static func make() throws -> Startup {
            let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
            guard sem_init(semaphore, 0, 0) == 0 else {
                let error = IOError(errnoCode: errno, reason: "sem_init")
                semaphore.deallocate()
                throw error
            }
            return Startup(semaphore)
        }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }

        func finish(_ error: (any Error)?) {
            self.error = error
            sem_post(semaphore)
        }

        func wait() -> (any Error)? {
            while sem_wait(semaphore) != 0 {}
            return error
        }
    }

    private final class ThreadContext {
        let driver: LinuxLoop
        let loop: Loop
        let name: String
        let startup: Startup

        init(driver: LinuxLoop, loop: Loop, name: String, startup: Startup) {
            self.driver = driver
            self.loop = loop
            self.name = name
            self.startup = startup
        }
    }

    /// Ends the thread when it has run the remaining work, and waits for that. Not on the loop.
    func stop() {
        mustStop.store(true, ordering: .releasing)
        wakeUp()
        pthread_join(thread, nil)
    }

    private func run(_ startup: Startup) {
        loop.bindToCurrentThread()
        do {
            try begin()
        } catch {
            loop.unbind()
            return startup.finish(error)
        }
        startup.finish(nil)
        while !mustStop.load(ordering: .acquiring) {
            poll(timeout: timeout)
            if mailHasArrived { collectMail() }
            if !work.isEmpty { runWork() }
            if tickTime >= nextWake { runTimers() }
            if !retired.isEmpty { retired.removeAll(keepingCapacity: true) }
        }
        end()
        loop.unbind()
        for work in work + mailbox.close() { afterEnd.run(work) }
    }

    /// Called on the thread before the first wait.
    func begin() throws {}

    /// Called on the thread after the last wait.
    func end() {}

    /// How often a system call that must not fail is tried.
    private static let maximumTries = 100

    /// Sleeps for a millisecond, so that a call that keeps failing does not use a whole core.
    static func backOff() {
        usleep(1000)
    }

    /// Handles a failed wait: runs work from other threads meanwhile, and tries again.
    func waitFailed() {
        mailHasArrived = true
        LinuxLoop.backOff()
    }

    /// Keeps an object alive until all events of the current batch have been handled.
    func retire(_ object: AnyObject) {
        loop.assertOnLoop()
        retired.append(object)
    }

    /// Records that a connection of the loop has ended.
    func noteEnd() {
        let load = load.wrappingSubtract(1, ordering: .relaxed).newValue
        assert(load >= 0, "a connection has ended twice")
    }

    /// Records when the thread was woken.
    @inline(__always)
    func noteTick() {
        tickTime = now()
    }

    // MARK: Work

    func execute(_ work: @escaping Work) {
        if isOnLoop {
            self.work.append(work)
        } else {
            switch mailbox.add(work) {
            case .mustWake: wakeUp()
            case .isAwake: break
            case .isClosed: afterEnd.run(work)
            }
        }
    }

    private func wakeUp() {
        var one: UInt64 = 1
        // EAGAIN: the counter is full, so the thread has been woken. After any other failure nobody would wake it again.
        for _ in 0..<LinuxLoop.maximumTries {
            if write(wakeDescriptor, &one, 8) == 8 || errno == EAGAIN { return }
            LinuxLoop.backOff()
        }
    }

    private func collectMail() {
        mailHasArrived = false
        work.append(contentsOf: mailbox.takeAll())
    }

    private func runWork() {
        // Work that this adds runs after the next poll, so that it does not keep the sockets waiting.
        let batch = work
        work = []
        for work in batch { work() }
    }

    // MARK: Time

    var isOnLoop: Bool { loop.isBoundToCurrentThread }

    @inline(__always)
    func now() -> MonotonicInstant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicInstant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    func wake(at instant: MonotonicInstant, _ loop: Loop) {
        nextWake = min(nextWake, instant)
    }

    /// Runs a function on the loop after a delay; on the loop.
    func execute(after delay: Duration, _ work: @escaping Work) {
        loop.assertOnLoop()
        let instant = now().advanced(by: delay)
        delayed.append(Delayed(instant: instant, work: work))
        nextWake = min(nextWake, instant)
    }

    private func runTimers() {
        nextWake = MonotonicInstant(nanoseconds: .max)
        if !delayed.isEmpty {
            let due = delayed.filter { $0.instant <= tickTime }
            delayed.removeAll { $0.instant <= tickTime }
            for item in due { item.work() }
            for item in delayed { nextWake = min(nextWake, item.instant) }
        }
        loop.timersAreDue()
    }

    /// The longest that the next poll may wait, in nanoseconds; negative for no limit.
    private var timeout: Int64 {
        if !work.isEmpty { return 0 }
        guard nextWake.nanoseconds < .max else { return -1 }
        return max(nextWake.nanoseconds - now().nanoseconds, 0)
    }
}
#endif
