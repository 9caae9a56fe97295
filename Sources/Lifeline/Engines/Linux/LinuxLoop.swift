#if os(Linux)
import CLifelineLinux
import LifelineCore
import NIOCore
import LifelineLocks
import Synchronization

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A thread that waits for sockets and runs their connections: the driver of a ``Loop``, without SwiftNIO.
///
/// How it waits is its subclasses' part: ``EpollLoop`` is told which sockets are ready, ``UringLoop`` has the kernel fill
/// buffers. What they share stands here: the thread, work from other threads, and time.
///
/// `@unchecked Sendable`: all state but what is atomic or behind a lock belongs to the loop's thread.
class LinuxLoop: LoopDriver, @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    private struct Mailbox {
        var work: [Work] = []
        var loopIsWoken = false
        /// Whether the thread has ended.
        var hasEnded = false
    }

    private struct Delayed {
        var instant: MonotonicInstant
        var work: Work
    }

    /// Our loop upon this one. Whoever has this one started keeps it alive until the thread has ended.
    @exclusivity(unchecked) private(set) unowned(unsafe) var loop: Loop!
    /// Wakes the thread.
    let wakeDescriptor: CInt
    private let mailbox = Lock(Mailbox())
    private let afterEnd = WorkAfterEnd()
    private let mustStop = Atomic(false)
    /// The connections that belong to the loop, those on their way to it included.
    let load = Atomic(0)

    /// Whether other threads have left work.
    @exclusivity(unchecked) var mailHasArrived = false
    @exclusivity(unchecked) private var work: [Work] = []
    @exclusivity(unchecked) private var delayed: [Delayed] = []
    @exclusivity(unchecked) private var nextWake = MonotonicInstant(nanoseconds: .max)
    /// When the thread was last woken.
    @exclusivity(unchecked) private(set) var tickTime = MonotonicInstant(nanoseconds: 0)
    /// What events of the batch that is being handled may refer to; it is released behind it.
    @exclusivity(unchecked) private var retired: [AnyObject] = []
    private var thread = pthread_t()

    /// - Parameter wakeDescriptor: From ``makeWakeDescriptor()``; it is the loop's from now on.
    init(wakeDescriptor: CInt) {
        self.wakeDescriptor = wakeDescriptor
    }

    /// A descriptor with which other threads can wake one that waits.
    static func makeWakeDescriptor() throws -> CInt {
        let descriptor = lifeline_eventfd()
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "eventfd") }
        return descriptor
    }

    deinit {
        _ = closeDescriptor(wakeDescriptor)
    }

    // MARK: What the ways of waiting differ in

    /// Waits for at most `timeout` nanoseconds, or for ever where it is negative, and handles what has happened.
    func poll(timeout: Int64) {
        preconditionFailure("each way of waiting has its own")
    }

    /// Makes a socket that this side has connected fit for ``makeTransport(_:_:)``; accepted ones are.
    func prepare(_ descriptor: CInt) throws {}

    /// A transport over a connected socket, which it owns from now on.
    func makeTransport(_ descriptor: CInt, _ marks: BufferLimits.Marks) -> LinuxTransport {
        preconditionFailure("each way of waiting has its own")
    }

    /// Calls `accepted` with each connection that comes to a listening socket, until ``stopListening(_:_:)``.
    ///
    /// - Throws: `IOError` where the kernel refuses; the socket is still the caller's then.
    func listen(_ listener: LinuxListener) throws {
        preconditionFailure("each way of waiting has its own")
    }

    /// Stops listening, and calls `done` once the socket has been closed.
    func stopListening(_ listener: LinuxListener, _ done: @escaping Work) {
        preconditionFailure("each way of waiting has its own")
    }

    /// Tells a waiter when its socket takes bytes, or the time has come; on the loop.
    func awaitWritable(_ waiter: LinuxWaiter, timeout: Duration) {
        preconditionFailure("each way of waiting has its own")
    }

    // MARK: The thread

    /// Starts the thread, and waits until it can wait.
    func start(_ loop: Loop, name: String) throws {
        self.loop = loop
        tickTime = now()
        let beginning = try Beginning.make()
        let context = Unmanaged.passRetained(
            ThreadContext(driver: self, loop: loop, name: name, beginning: beginning))
        let result = pthread_create(
            &thread, nil,
            { context in
                let context = Unmanaged<ThreadContext>.fromOpaque(context!).takeRetainedValue()
                context.name.withCString { lifeline_name_thread($0) }
                context.driver.run(context.beginning)
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw IOError(errnoCode: result, reason: "pthread_create")
        }
        if let error = beginning.wait() {
            // The thread has nothing more to do.
            pthread_join(thread, nil)
            throw error
        }
    }

    /// Where a thread tells whoever has started it whether it could begin.
    ///
    /// `@unchecked Sendable`: the error is written before the semaphore is raised, and read behind it.
    private final class Beginning: @unchecked Sendable {
        private let semaphore: UnsafeMutablePointer<sem_t>
        private var error: (any Error)?

        private init(_ semaphore: UnsafeMutablePointer<sem_t>) {
            self.semaphore = semaphore
        }

        static func make() throws -> Beginning {
            let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
            guard sem_init(semaphore, 0, 0) == 0 else {
                let error = IOError(errnoCode: errno, reason: "sem_init")
                semaphore.deallocate()
                throw error
            }
            return Beginning(semaphore)
        }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }

        func tell(_ error: (any Error)?) {
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
        let beginning: Beginning

        init(driver: LinuxLoop, loop: Loop, name: String, beginning: Beginning) {
            self.driver = driver
            self.loop = loop
            self.name = name
            self.beginning = beginning
        }
    }

    /// Ends the thread once it has done what was left for it, and waits for that. Not on the loop.
    func stop() {
        mustStop.store(true, ordering: .releasing)
        wakeUp()
        pthread_join(thread, nil)
    }

    private func run(_ beginning: Beginning) {
        loop.bindToCurrentThread()
        do {
            try begin()
        } catch {
            loop.unbind()
            return beginning.tell(error)
        }
        beginning.tell(nil)
        while !mustStop.load(ordering: .acquiring) {
            poll(timeout: timeout)
            if mailHasArrived { collectMail() }
            if !work.isEmpty { runWork() }
            if tickTime >= nextWake { runTimers() }
            if !retired.isEmpty { retired.removeAll(keepingCapacity: true) }
        }
        end()
        loop.unbind()
        let rest = mailbox.withLock { mailbox in
            mailbox.hasEnded = true
            defer { mailbox.work = [] }
            return mailbox.work
        }
        for work in work + rest { afterEnd.run(work) }
    }

    /// Called on the thread before it waits for the first time.
    func begin() throws {}

    /// Called on the thread when it has waited for the last time.
    func end() {}

    /// How often a system call is tried that must not fail.
    private static let maximumTries = 100

    /// Waits a millisecond, so that what fails for good does not take a whole core.
    static func takeBreath() {
        usleep(1000)
    }

    /// The kernel has refused to wait. Nothing better can be done than to try again, and to do what others ask meanwhile.
    func waitFailed() {
        mailHasArrived = true
        LinuxLoop.takeBreath()
    }

    /// Keeps something until all events of the batch have been handled.
    func retire(_ object: AnyObject) {
        loop.assertOnLoop()
        retired.append(object)
    }

    /// Notes that a connection of the loop's has ended.
    func noteEnd() {
        let load = load.wrappingSubtract(1, ordering: .relaxed).newValue
        assert(load >= 0, "a connection has ended twice")
    }

    /// Notes that the thread has been woken.
    @inline(__always)
    func noteTick() {
        tickTime = now()
    }

    // MARK: Work

    func execute(_ work: @escaping Work) {
        if isOnLoop {
            self.work.append(work)
        } else {
            let (mustWake, hasEnded) = mailbox.withLock { mailbox in
                if mailbox.hasEnded { return (false, true) }
                mailbox.work.append(work)
                defer { mailbox.loopIsWoken = true }
                return (!mailbox.loopIsWoken, false)
            }
            if mustWake { wakeUp() }
            if hasEnded { afterEnd.run(work) }
        }
    }

    private func wakeUp() {
        var one: UInt64 = 1
        // Where the counter is full, the thread has been woken. After another failure nobody would wake it again.
        for _ in 0..<LinuxLoop.maximumTries {
            if write(wakeDescriptor, &one, 8) == 8 || errno == EAGAIN { return }
            LinuxLoop.takeBreath()
        }
    }

    private func collectMail() {
        mailHasArrived = false
        let mail = mailbox.withLock { mailbox in
            mailbox.loopIsWoken = false
            defer { mailbox.work = [] }
            return mailbox.work
        }
        work.append(contentsOf: mail)
    }

    private func runWork() {
        // What this leaves is for the next time round, so that work that breeds work does not keep the sockets waiting.
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

    /// Runs something on the loop after a time; on the loop.
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

    private var timeout: Int64 {
        if !work.isEmpty { return 0 }
        guard nextWake.nanoseconds < .max else { return -1 }
        return max(nextWake.nanoseconds - now().nanoseconds, 0)
    }
}
#endif
