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

/// A loop that waits with io_uring. One request accepts many connections, or receives many times, into buffers that the kernel
/// picks. All sends of a batch of events leave with the system call that waits for the next batch.
///
/// `@unchecked Sendable`: like ``LinuxLoop``. All state that this class adds is confined to the loop's thread.
final class UringLoop: LinuxLoop, @unchecked Sendable {
    /// The kind of request that a completion belongs to, in the lowest bits of an object's address.
    enum Tag {
        static let receive: UInt64 = 0
        static let send: UInt64 = 1
        static let listener: UInt64 = 2
        static let other: UInt64 = 3
        static let zeroCopySend: UInt64 = 4
        static let watch: UInt64 = 5
        static let mask: UInt64 = 7
        /// The eventfd that wakes the thread.
        static let wake: UInt64 = other | 1 << 3
    }

    /// A send without a copy. The kernel uses the payload's memory even after the send has completed, perhaps for longer than the
    /// connection exists.
    private final class ZeroCopySend {
        let transport: UringTransport
        let payload: ByteBuffer

        init(_ transport: UringTransport, _ payload: ByteBuffer) {
            self.transport = transport
            self.payload = payload
        }
    }

    @exclusivity(unchecked) private var ring: Uring
    private let wakeCounter: UnsafeMutablePointer<UInt64>
    /// The buffer for bytes that are received with calls rather than by the ring.
    let readBuffer: UnsafeMutableRawPointer
    /// The sends that have not been submitted to the kernel.
    @exclusivity(unchecked) private var unsubmittedSends = 0
    private static let maximumUnsubmittedSends = 32
    /// The number of payloads that the kernel is using without a copy.
    private(set) var zeroCopySends = 0
    /// How many milliseconds the end of the loop waits for those.
    private static let maximumLastWaits = 100

    private var listeners: [LinuxListener] = []
    /// Listeners that pause after an error.
    private var paused: [LinuxListener] = []
    /// Listeners that are being closed, and wait for their last completion.
    private var closing: [(listener: LinuxListener, done: Work)] = []

    /// - Parameter size: The sizes of the queues.
    init(_ size: Uring.Size = .usual) throws {
        let wakeDescriptor = try LinuxLoop.makeWakeDescriptor()
        do {
            ring = try Uring(size)
        } catch {
            _ = closeDescriptor(wakeDescriptor)
            throw error
        }
        wakeCounter = .allocate(capacity: 1)
        wakeCounter.initialize(to: 0)
        readBuffer = .allocate(byteCount: DirectReceiving.readSize, alignment: 64)
        super.init(wakeDescriptor: wakeDescriptor)
    }

    deinit {
        ring.close()
        wakeCounter.deallocate()
        readBuffer.deallocate()
    }

    override func begin() throws {
        try ring.enable()
        awaitWake()
    }

    private func awaitWake() {
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.read
        entry.pointee.fd = wakeDescriptor
        entry.pointee.addr = UInt64(UInt(bitPattern: wakeCounter))
        entry.pointee.len = 8
        entry.pointee.off = .max
        entry.pointee.user_data = Tag.wake
    }

    override func end() {
        // The sockets are closed. The kernel releases the memory that it still uses soon, or at the end of the process.
        for _ in 0..<UringLoop.maximumLastWaits where zeroCopySends > 0 { poll(timeout: 1_000_000) }
    }

    override func poll(timeout: Int64) {
        unsubmittedSends = 0
        if !ring.submitAndWait(timeout: timeout) { waitFailed() }
        noteTick()
        while let completion = ring.nextCompletion() {
            handle(completion)
            if unsubmittedSends >= UringLoop.maximumUnsubmittedSends { pushOut() }
        }
    }

    /// Submits the sends so far to the kernel, which carries out most of them at once. The next sends then reuse their blocks,
    /// which are still in the cache. All other completions wait for their turn.
    func pushOut() {
        loop.assertOnLoop()
        guard unsubmittedSends > 0 else { return }
        unsubmittedSends = 0
        ring.submit()
        ring.sift { completion in
            guard completion.user_data & Tag.mask == Tag.send else { return true }
            let object = UnsafeRawPointer(bitPattern: UInt(completion.user_data & ~Tag.mask))
            return Unmanaged<UringTransport>.fromOpaque(object.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
                !$0.sendCompletedEarly(completion.res)
            }
        }
    }

    @inline(__always)
    private func handle(_ completion: lifeline_cqe) {
        let object = UnsafeRawPointer(bitPattern: UInt(completion.user_data & ~Tag.mask))
        switch completion.user_data & Tag.mask {
        case Tag.receive:
            // A transport keeps itself alive while a request is under way.
            Unmanaged<UringTransport>.fromOpaque(object.unsafelyUnwrapped)._withUnsafeGuaranteedRef { transport in
                if completion.flags & Uring.Completion.buffer != 0, completion.res > 0 {
                    transport.received(ring.bytes(of: completion))
                    ring.release(completion)
                }
                transport.receiveCompleted(completion.res, completion.flags)
            }
        case Tag.send:
            Unmanaged<UringTransport>.fromOpaque(object.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
                $0.sendCompleted(completion.res)
            }
        case Tag.watch:
            Unmanaged<UringTransport>.fromOpaque(object.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
                $0.watchCompleted(completion.res, completion.flags)
            }
        case Tag.zeroCopySend:
            zeroCopySendCompleted(Unmanaged.fromOpaque(object.unsafelyUnwrapped), completion)
        case Tag.listener:
            accepted(Unmanaged<LinuxListener>.fromOpaque(object.unsafelyUnwrapped).takeUnretainedValue(), completion)
        default:
            if completion.user_data == Tag.wake {
                mailHasArrived = true
                if completion.res < 0 { LinuxLoop.backOff() }
                awaitWake()
            } else if completion.user_data != Tag.other {
                let waiter = Unmanaged<LinuxWaiter>.fromOpaque(object.unsafelyUnwrapped).takeRetainedValue()
                waiter.finish(
                    completion.res >= 0 ? .ready : .failed(IOError(errnoCode: -completion.res, reason: "poll")))
            }
        }
    }

    // MARK: Transports

    override func prepare(_ descriptor: CInt) throws {
        try LinuxSocket.setBlocking(descriptor)
    }

    override func makeTransport(_ descriptor: CInt, _ marks: BufferLimits.Marks) -> LinuxTransport {
        UringTransport(self, descriptor, marks)
    }

    @inline(__always)
    private func address(_ transport: UringTransport) -> UInt64 {
        UInt64(UInt(bitPattern: Unmanaged.passUnretained(transport).toOpaque()))
    }

    /// Waits until there is something to receive, and then completes a transport's receive.
    func awaitInput(_ transport: UringTransport) {
        loop.assertOnLoop()
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.pollAdd
        entry.pointee.fd = transport.descriptor
        entry.pointee.op_flags = lifeline_epollin
        entry.pointee.user_data = address(transport) | Tag.receive
    }

    /// Whether the kernel ends a receive by itself after ``maximumReceived`` bytes (Linux 6.17). Assumed until it reports that it
    /// does not.
    var receivesBounded = true
    /// The most bytes of one receive request: about what still arrives after a connection has paused reading.
    private static let maximumReceived: UInt32 = 128 << 10

    /// Receives until that is cancelled, or until ``maximumReceived`` bytes have arrived.
    ///
    /// - Parameter once: Whether to receive one buffer only.
    func receive(_ transport: UringTransport, once: Bool) {
        loop.assertOnLoop()
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.receive
        entry.pointee.flags = 1 << 5  // IOSQE_BUFFER_SELECT, from group 0
        if once {
            entry.pointee.len = UInt32(Uring.bufferSize)
        } else {
            entry.pointee.ioprio = 1 << 1  // IORING_RECV_MULTISHOT
            if receivesBounded { entry.pointee.optlen = UringLoop.maximumReceived }
        }
        entry.pointee.fd = transport.descriptor
        entry.pointee.user_data = address(transport) | Tag.receive
    }

    @inline(__always)
    func send(_ transport: UringTransport, _ bytes: UnsafeRawBufferPointer) {
        loop.assertOnLoop()
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.send
        entry.pointee.fd = transport.descriptor
        entry.pointee.addr = UInt64(UInt(bitPattern: bytes.baseAddress))
        entry.pointee.len = UInt32(clamping: bytes.count)
        entry.pointee.op_flags = 0x4000  // MSG_NOSIGNAL
        entry.pointee.user_data = address(transport) | Tag.send
        unsubmittedSends &+= 1
    }

    /// Whether the kernel supports ``send(_:_:of:)``.
    var sendsWithoutCopy: Bool { ring.sendsWithoutCopy }

    /// Sends bytes of a payload without a copy. The payload is kept until the kernel no longer uses it.
    func send(_ transport: UringTransport, _ bytes: UnsafeRawBufferPointer, of payload: ByteBuffer) {
        let send = Unmanaged.passRetained(ZeroCopySend(transport, payload))
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.sendZeroCopy
        entry.pointee.ioprio = 1 << 3  // IORING_SEND_ZC_REPORT_USAGE
        entry.pointee.fd = transport.descriptor
        entry.pointee.addr = UInt64(UInt(bitPattern: bytes.baseAddress))
        entry.pointee.len = UInt32(clamping: bytes.count)
        entry.pointee.op_flags = 0x4000  // MSG_NOSIGNAL
        entry.pointee.user_data = UInt64(UInt(bitPattern: send.toOpaque())) | Tag.zeroCopySend
        zeroCopySends += 1
    }

    /// Handles the completion of a send without a copy, or the notification that the kernel no longer uses its memory.
    private func zeroCopySendCompleted(_ reference: Unmanaged<ZeroCopySend>, _ completion: lifeline_cqe) {
        let send = reference.takeUnretainedValue()
        if completion.flags & Uring.Completion.notification != 0 {
            // IORING_NOTIF_USAGE_ZC_COPIED
            send.transport.zeroCopyEnded(copied: UInt32(bitPattern: completion.res) & 1 << 31 != 0)
        } else {
            send.transport.zeroCopySendCompleted(completion.res)
            if completion.flags & Uring.Completion.more != 0 { return }
        }
        zeroCopySends -= 1
        reference.release()
    }

    /// Reports to a transport each time its socket fails or hangs up.
    func watch(_ transport: UringTransport) {
        loop.assertOnLoop()
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.pollAdd
        entry.pointee.fd = transport.descriptor
        // The kernel adds errors and hang-ups. It reports changes only: an end of the peer that is not read yet, once.
        entry.pointee.op_flags = 0
        entry.pointee.len = 1 << 0  // IORING_POLL_ADD_MULTI
        entry.pointee.user_data = address(transport) | Tag.watch
    }

    /// Ends ``watch(_:)``.
    func cancelWatch(_ transport: UringTransport) {
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.asyncCancel
        entry.pointee.addr = address(transport) | Tag.watch
        entry.pointee.user_data = Tag.other
    }

    /// Cancels the receive that is under way.
    func cancelReceive(_ transport: UringTransport) {
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.asyncCancel
        entry.pointee.addr = address(transport) | Tag.receive
        entry.pointee.user_data = Tag.other
    }

    /// Cancels everything that is under way on a transport's socket.
    func cancelAll(_ transport: UringTransport) {
        loop.assertOnLoop()
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.asyncCancel
        entry.pointee.fd = transport.descriptor
        entry.pointee.op_flags = 1 << 0 | 1 << 1  // IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_FD
        entry.pointee.user_data = Tag.other
    }

    // MARK: Waiters

    override func awaitWritable(_ waiter: LinuxWaiter, timeout: Duration) {
        loop.assertOnLoop()
        let address = UInt64(UInt(bitPattern: Unmanaged.passRetained(waiter).toOpaque()))
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.pollAdd
        entry.pointee.fd = waiter.descriptor
        entry.pointee.op_flags = lifeline_epollout
        entry.pointee.user_data = address | Tag.other
        execute(after: timeout) { [weak self, weak waiter] in
            guard let self, let waiter, !waiter.isDone else { return }
            let entry = ring.next()
            entry.pointee.opcode = Uring.Operation.asyncCancel
            entry.pointee.addr = address | Tag.other
            entry.pointee.user_data = Tag.other
            waiter.finish(.timedOut)
        }
    }

    // MARK: Listeners

    override func listen(_ listener: LinuxListener) throws {
        loop.assertOnLoop()
        try LinuxSocket.setBlocking(listener.descriptor)
        listeners.append(listener)
        accept(listener)
    }

    private func accept(_ listener: LinuxListener) {
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.accept
        entry.pointee.ioprio = 1 << 0  // IORING_ACCEPT_MULTISHOT
        entry.pointee.fd = listener.descriptor
        entry.pointee.op_flags = UInt32(O_CLOEXEC)
        let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(listener).toOpaque()))
        entry.pointee.user_data = address | Tag.listener
    }

    override func stopListening(_ listener: LinuxListener, _ done: @escaping Work) {
        loop.assertOnLoop()
        guard let index = listeners.firstIndex(where: { $0 === listener }) else { return done() }
        closing.append((listeners.remove(at: index), done))
        if paused.contains(where: { $0 === listener }) { return finishClosing(listener) }
        let entry = ring.next()
        entry.pointee.opcode = Uring.Operation.asyncCancel
        entry.pointee.fd = listener.descriptor
        entry.pointee.op_flags = 1 << 0 | 1 << 1
        entry.pointee.user_data = Tag.other
    }

    /// Closes a listener, if it is being closed. Nothing may be under way on it.
    private func finishClosing(_ listener: LinuxListener) {
        guard let index = closing.firstIndex(where: { $0.listener === listener }) else { return }
        let (_, done) = closing.remove(at: index)
        _ = closeDescriptor(listener.descriptor)
        retire(listener)
        done()
    }

    private func accepted(_ listener: LinuxListener, _ completion: lifeline_cqe) {
        let isClosing = closing.contains { $0.listener === listener }
        if completion.res >= 0 {
            if isClosing { _ = closeDescriptor(completion.res) } else { listener.accepted(completion.res) }
        }
        guard completion.flags & Uring.Completion.more == 0 else { return }
        if isClosing {
            finishClosing(listener)
        } else if completion.res >= 0 || LinuxListener.isTransient(-completion.res) {
            accept(listener)
        } else {
            listener.failed(-completion.res)
            paused.append(listener)
            execute(after: LinuxListener.pause) { [weak self, weak listener] in
                guard let self, let listener else { return }
                paused.removeAll { $0 === listener }
                if listeners.contains(where: { $0 === listener }) { accept(listener) }
            }
        }
    }
}
#endif
