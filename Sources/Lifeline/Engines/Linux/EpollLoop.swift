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

/// A loop that waits with epoll, level-triggered: one `recv` into the loop's own buffer when a socket is readable, one `send`
/// when a connection has output.
///
/// `@unchecked Sendable`: like ``LinuxLoop``. All state that this class adds is confined to the loop's thread.
final class EpollLoop: LinuxLoop, @unchecked Sendable {
    /// The kind of object that an event belongs to, in the lowest bits of the object's address.
    private enum Tag {
        static let transport: UInt64 = 0
        static let listener: UInt64 = 1
        static let wake: UInt64 = 2
        static let waiter: UInt64 = 3
        static let mask: UInt64 = 3
    }

    private static let maximumEvents: CInt = 512
    /// The most bytes of one read. The loop has one buffer of this size, because large reads save calls when much arrives.
    private static let readSize = 512 << 10
    /// The most connections accepted at a time, so that a flood of them does not keep the others waiting.
    private static let maximumAccepted = 64

    private let descriptor: CInt
    private let events: UnsafeMutablePointer<epoll_event>
    let readBuffer: UnsafeMutableRawBufferPointer
    private var listeners: [LinuxListener] = []

    init() throws {
        let wakeDescriptor = try LinuxLoop.makeWakeDescriptor()
        descriptor = epoll_create1(CInt(O_CLOEXEC))
        guard descriptor >= 0 else {
            let error = IOError(errnoCode: errno, reason: "epoll_create1")
            _ = closeDescriptor(wakeDescriptor)
            throw error
        }
        guard lifeline_epoll_ctl(descriptor, EPOLL_CTL_ADD, wakeDescriptor, lifeline_epollin, Tag.wake) == 0 else {
            let error = IOError(errnoCode: errno, reason: "epoll_ctl")
            _ = closeDescriptor(wakeDescriptor)
            _ = closeDescriptor(descriptor)
            throw error
        }
        events = .allocate(capacity: Int(EpollLoop.maximumEvents))
        readBuffer = .allocate(byteCount: EpollLoop.readSize, alignment: 64)
        super.init(wakeDescriptor: wakeDescriptor)
    }

    deinit {
        _ = closeDescriptor(descriptor)
        events.deallocate()
        readBuffer.deallocate()
    }

    override func poll(timeout: Int64) {
        // Rounded up, because a wait that ends before the deadline would be followed by another.
        let milliseconds = timeout < 0 ? -1 : CInt(clamping: (timeout + 999_999) / 1_000_000)
        let count = epoll_wait(descriptor, events, EpollLoop.maximumEvents, milliseconds)
        let error = errno
        noteTick()
        if count < 0, error != EINTR { waitFailed() }
        guard count > 0 else { return }
        for index in 0..<count {
            let data = lifeline_epoll_data(events, index)
            let happened = lifeline_epoll_events(events, index)
            let object = UnsafeRawPointer(bitPattern: UInt(data & ~Tag.mask))
            switch data & Tag.mask {
            case Tag.transport:
                // The loop retains the transport until the end of the batch.
                Unmanaged<EpollTransport>.fromOpaque(object.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
                    $0.ready(happened)
                }
            case Tag.listener:
                accept(Unmanaged<LinuxListener>.fromOpaque(object.unsafelyUnwrapped).takeUnretainedValue())
            case Tag.waiter:
                finish(Unmanaged<LinuxWaiter>.fromOpaque(object.unsafelyUnwrapped).takeUnretainedValue(), .ready)
            default:
                var ignored: UInt64 = 0
                _ = read(wakeDescriptor, &ignored, 8)
                mailHasArrived = true
            }
        }
    }

    // MARK: Transports

    override func makeTransport(_ descriptor: CInt, _ marks: BufferLimits.Marks) -> LinuxTransport {
        EpollTransport(self, descriptor, marks)
    }

    /// Adds a transport's socket to epoll. The transport keeps itself alive until the socket is closed.
    ///
    /// - Returns: Whether that succeeded; otherwise `errno` is set.
    func add(_ transport: EpollTransport, _ events: UInt32) -> Bool {
        control(EPOLL_CTL_ADD, transport, events)
    }

    /// Changes the events that epoll reports for a transport's socket.
    ///
    /// - Returns: Whether that succeeded; otherwise `errno` is set.
    func change(_ transport: EpollTransport, _ events: UInt32) -> Bool {
        control(EPOLL_CTL_MOD, transport, events)
    }

    private func control(_ operation: CInt, _ transport: EpollTransport, _ events: UInt32) -> Bool {
        loop.assertOnLoop()
        let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(transport).toOpaque()))
        return lifeline_epoll_ctl(descriptor, operation, transport.descriptor, events, address) == 0
    }

    /// Removes a transport's socket from epoll. Events that have been reported already are still handled.
    func forget(_ transport: EpollTransport) {
        loop.assertOnLoop()
        // Only fails if epoll does not have the socket.
        _ = lifeline_epoll_ctl(descriptor, EPOLL_CTL_DEL, transport.descriptor, 0, 0)
    }

    // MARK: Waiters

    override func awaitWritable(_ waiter: LinuxWaiter, timeout: Duration) {
        loop.assertOnLoop()
        let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(waiter).toOpaque()))
        guard
            lifeline_epoll_ctl(
                descriptor, EPOLL_CTL_ADD, waiter.descriptor, lifeline_epollout, address | Tag.waiter) == 0
        else {
            return waiter.finish(.failed(IOError(errnoCode: errno, reason: "epoll_ctl")))
        }
        // Released when it finishes.
        _ = Unmanaged.passRetained(waiter)
        execute(after: timeout) { [weak self, weak waiter] in
            if let self, let waiter { finish(waiter, .timedOut) }
        }
    }

    private func finish(_ waiter: LinuxWaiter, _ outcome: LinuxWaiter.Outcome) {
        guard !waiter.isDone else { return }
        _ = lifeline_epoll_ctl(descriptor, EPOLL_CTL_DEL, waiter.descriptor, 0, 0)
        retire(waiter)
        Unmanaged.passUnretained(waiter).release()
        waiter.finish(outcome)
    }

    // MARK: Listeners

    override func listen(_ listener: LinuxListener) throws {
        loop.assertOnLoop()
        guard register(listener) else { throw IOError(errnoCode: errno, reason: "epoll_ctl") }
        listeners.append(listener)
    }

    private func register(_ listener: LinuxListener) -> Bool {
        let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(listener).toOpaque()))
        return lifeline_epoll_ctl(
            descriptor, EPOLL_CTL_ADD, listener.descriptor, lifeline_epollin, address | Tag.listener) == 0
    }

    override func stopListening(_ listener: LinuxListener, _ done: @escaping Work) {
        loop.assertOnLoop()
        defer { done() }
        guard let index = listeners.firstIndex(where: { $0 === listener }) else { return }
        _ = lifeline_epoll_ctl(descriptor, EPOLL_CTL_DEL, listener.descriptor, 0, 0)
        _ = closeDescriptor(listener.descriptor)
        retire(listeners.remove(at: index))
    }

    private func accept(_ listener: LinuxListener) {
        for _ in 0..<EpollLoop.maximumAccepted {
            let accepted = lifeline_accept(listener.descriptor)
            if accepted >= 0 {
                listener.accepted(accepted)
                continue
            }
            let error = errno
            if error == EAGAIN { return }
            if LinuxListener.isTransient(error) { continue }
            // The socket stays readable; without a pause, the loop would do nothing else.
            _ = lifeline_epoll_ctl(descriptor, EPOLL_CTL_DEL, listener.descriptor, 0, 0)
            return pause(listener, error)
        }
    }

    /// Reports an error, and accepts again after ``LinuxListener/pause``.
    private func pause(_ listener: LinuxListener, _ error: CInt) {
        listener.failed(error)
        execute(after: LinuxListener.pause) { [weak self, weak listener] in
            guard let self, let listener, listeners.contains(where: { $0 === listener }) else { return }
            if !register(listener) { pause(listener, errno) }
        }
    }
}
#endif
