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

/// A socket on an ``EpollLoop``.
final class EpollTransport: LinuxTransport {
    private unowned(unsafe) let driver: EpollLoop
    private unowned(unsafe) let loop: Loop
    /// The socket; negative once it is closed.
    private(set) var descriptor: CInt
    @exclusivity(unchecked) private var connection: Connection?

    /// What there is between the transport and epoll.
    private enum Registration {
        /// The transport has not begun.
        case none
        /// Epoll knows the socket. The transport keeps itself alive from here on.
        case watched
        /// Epoll does not know the socket: it was refused, or there is nothing to be told of until reading goes on.
        case unwatched
        /// The socket is closed, and the transport no longer keeps itself alive.
        case over
    }

    private var registration = Registration.none

    /// Frames that are to be written: mostly one block, or none.
    @exclusivity(unchecked) private var block = OutputBlock.none
    @exclusivity(unchecked) private var hasBlock = false
    /// What the socket did not take.
    @exclusivity(unchecked) private var queue = OutputQueue()
    /// How many bytes are in both.
    @exclusivity(unchecked) private var waitingBytes = 0
    /// The bytes that were taken, and will not be written any more.
    private var droppedBytes = 0
    var pendingBytes: Int { waitingBytes &+ droppedBytes }
    @exclusivity(unchecked) private(set) var isWritable = true {
        didSet { connection?.transportIsWritable = isWritable }
    }
    private let marks: BufferLimits.Marks

    /// What epoll watches for.
    private var interest: UInt32 = 0
    private var isReading = true
    /// Whether large messages come, which are received where they are put together.
    private var isReceivingDirectly = false
    private var inputHasEnded = false
    private var awaitsRoom = false
    /// Why nothing can be written any more. What the peer had sent before can still be read.
    private var outputError: IOError?
    private var mustShutDown = false
    private var mustClose = false

    init(_ driver: EpollLoop, _ descriptor: CInt, _ marks: BufferLimits.Marks) {
        self.driver = driver
        loop = driver.loop
        self.descriptor = descriptor
        self.marks = marks
    }

    deinit {
        assert(registration == .over || registration == .none && connection == nil, "an open socket was forgotten")
    }

    func begin(_ connection: Connection) {
        loop.assertOnLoop()
        assert(registration == .none, "a transport begins once")
        self.connection = connection
        interest = lifeline_epollin
        // Released when the socket is closed.
        _ = Unmanaged.passRetained(self)
        registration = .unwatched
        let error = watch()
        connection.established()
        if let error { fail(error) }
    }

    /// Has epoll tell of the socket.
    private func watch() -> IOError? {
        guard driver.add(self, interest) else { return IOError(errnoCode: errno, reason: "epoll_ctl") }
        registration = .watched
        return nil
    }

    // MARK: Input

    /// Something has happened to the socket.
    @inline(__always)
    func ready(_ events: UInt32) {
        if events & lifeline_epollin != 0, isReading, !inputHasEnded { readable() }
        if events & ~lifeline_epollin != 0 { readyForOthers(events) }
    }

    private func readyForOthers(_ events: UInt32) {
        if events & lifeline_epollout != 0, awaitsRoom { drain() }
        if descriptor >= 0, events & (lifeline_epollerr | lifeline_epollhup) != 0 { hungUp() }
    }

    /// The socket has failed, or both of its directions are over.
    private func hungUp() {
        // Where it is read from, what the peer sent before comes first, and tells how it ended.
        if isReading, !inputHasEnded { return readable() }
        if let error = outputError ?? LinuxSocket.takeError(descriptor, "recv") { return fail(error) }
        if inputHasEnded { return end() }
        // All that the peer will ever send is there, for when it is read; epoll would tell of it all the time.
        driver.forget(self)
        registration = .unwatched
    }

    @inline(__always)
    private func readable() {
        guard let connection else { return }
        if isReceivingDirectly, receiveDirectly(connection) { return }
        let size = isReceivingDirectly ? DirectReceiving.readSize : readSize(connection)
        let buffer = UnsafeMutableRawBufferPointer(start: driver.readBuffer.baseAddress, count: size)
        let count = receiveBytes(descriptor, buffer)
        if count > 0 {
            connection.received(UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            if count >= DirectReceiving.readSize { readMuch(connection) }
        } else {
            readFailed(count == 0 ? 0 : errno, connection)
        }
    }

    /// The most bytes to read at once: few where the application is behind, since they are kept for it.
    @inline(__always)
    private func readSize(_ connection: Connection) -> Int {
        isWritable && connection.inbox.isEmpty ? driver.readBuffer.count : EpollTransport.readSizeBehind
    }

    private static let readSizeBehind = 64 << 10

    /// Much has been read at once: goes on with the rest of a large message, or does with ordinary reads again.
    private func readMuch(_ connection: Connection) {
        isReceivingDirectly = connection.isInsideLargeFrame
        if isReceivingDirectly { _ = receiveDirectly(connection) }
    }

    /// - Returns: Whether anything was received.
    private func receiveDirectly(_ connection: Connection) -> Bool {
        guard mayRead, connection.isInsideLargeFrame else { return false }
        return DirectReceiving.receive(connection, from: descriptor) { mayRead }
    }

    private var mayRead: Bool { isReading && !inputHasEnded && descriptor >= 0 }

    private func readFailed(_ error: CInt, _ connection: Connection) {
        switch error {
        case EAGAIN, EINTR:
            break
        case 0:
            // A reset that a send has met looks like an end here.
            if let outputError, outputError.errnoCode != EPIPE { return fail(outputError) }
            inputHasEnded = true
            updateInterest()
            connection.inputEnded()
        default:
            fail(IOError(errnoCode: error, reason: "recv"))
        }
    }

    func setReading(_ reads: Bool) {
        loop.assertOnLoop()
        isReading = reads
        updateInterest()
        // Nothing that is still to be read would tell.
        if !reads, let outputError { failSoon(outputError) }
    }

    private func updateInterest() {
        let wanted = (isReading && !inputHasEnded ? lifeline_epollin : 0) | (awaitsRoom ? lifeline_epollout : 0)
        guard wanted != interest, descriptor >= 0 else { return }
        interest = wanted
        switch registration {
        case .watched:
            if !driver.change(self, wanted) { failSoon(IOError(errnoCode: errno, reason: "epoll_ctl")) }
        case .unwatched:
            if isReading, let error = watch() { failSoon(error) }
        case .none, .over:
            break
        }
    }

    // MARK: Output

    @inline(__always)
    func write(_ block: OutputBlock) {
        loop.assertOnLoop()
        guard descriptor >= 0, outputError == nil else { return drop(block) }
        add(block.count)
        if !hasBlock, queue.isEmpty {
            self.block = block
            hasBlock = true
        } else {
            spill()
            queue.append(block, loop)
        }
    }

    func write(_ payload: ByteBuffer) {
        guard descriptor >= 0, outputError == nil else {
            droppedBytes &+= payload.readableBytes
            return
        }
        if payload.readableBytes > 0, queue.isEmpty, !awaitsRoom {
            let written = payload.withUnsafeReadableBytes { writeAtOnce($0) }
            guard written < payload.readableBytes else { return }
            guard outputError == nil else {
                droppedBytes &+= payload.readableBytes
                return
            }
            add(payload.readableBytes - written)
            queue.append(payload.getSlice(at: payload.readerIndex + written, length: payload.readableBytes - written)!)
            awaitRoom()
        } else {
            add(payload.readableBytes)
            spill()
            queue.append(payload)
        }
    }

    func write(lent payload: UnsafeRawBufferPointer) {
        guard descriptor >= 0, outputError == nil else {
            droppedBytes &+= payload.count
            return
        }
        var rest = payload
        if !payload.isEmpty, queue.isEmpty, !awaitsRoom {
            rest = UnsafeRawBufferPointer(rebasing: payload[writeAtOnce(payload)...])
            guard !rest.isEmpty else { return }
            guard outputError == nil else {
                droppedBytes &+= payload.count
                return
            }
            add(rest.count)
            queue.append(copying: rest)
            awaitRoom()
        } else {
            add(payload.count)
            spill()
            queue.append(copying: payload)
        }
    }

    /// Writes a payload behind the block that waits, if any, with one call.
    ///
    /// - Returns: How much of the payload has been written.
    private func writeAtOnce(_ payload: UnsafeRawBufferPointer) -> Int {
        let header = hasBlock ? block.bytes : UnsafeRawBufferPointer(start: payload.baseAddress, count: 0)
        let written = lifeline_send2(descriptor, header.baseAddress, header.count, payload.baseAddress, payload.count)
        guard written >= 0 else {
            let error = errno
            if error == EAGAIN || error == EINTR { spill() } else { breakOutput(error) }
            return 0
        }
        if hasBlock {
            hasBlock = false
            waitingBytes -= min(written, header.count)
            if written < header.count {
                queue.append(block, from: written, loop)
                return 0
            }
            loop.recycle(block)
        }
        return written - header.count
    }

    @inline(__always)
    func flush() {
        guard hasBlock, !awaitsRoom else { return flushQueue() }
        let written = lifeline_send(descriptor, block.base, block.count)
        guard written == block.count else { return flushIncompletely(written) }
        hasBlock = false
        waitingBytes = 0
        loop.recycle(block)
        if !isWritable { becomeWritable() }
    }

    private func flushQueue() {
        if waitingBytes > 0, !awaitsRoom { drain() }
    }

    private func flushIncompletely(_ written: Int) {
        if written < 0, errno != EAGAIN, errno != EINTR { return breakOutput(errno) }
        hasBlock = false
        waitingBytes -= max(written, 0)
        queue.append(block, from: max(written, 0), loop)
        awaitRoom()
    }

    /// Writes what the socket did not take before.
    private func drain() {
        spill()
        while !queue.isEmpty {
            let bytes = queue.first
            let written = lifeline_send(descriptor, bytes.baseAddress, bytes.count)
            if written < 0 {
                if errno == EAGAIN || errno == EINTR { break }
                return breakOutput(errno)
            }
            assert(written <= waitingBytes, "more was written than was handed over")
            waitingBytes -= written
            queue.advance(by: written, loop)
            if written < bytes.count { break }
        }
        awaitsRoom = !queue.isEmpty
        updateInterest()
        if !isWritable, waitingBytes < marks.low { becomeWritable() }
        if queue.isEmpty { outputIsWritten() }
    }

    private func awaitRoom() {
        awaitsRoom = true
        updateInterest()
    }

    /// Puts the block that waits into the queue.
    private func spill() {
        guard hasBlock else { return }
        hasBlock = false
        queue.append(block, loop)
    }

    @inline(__always)
    private func add(_ count: Int) {
        waitingBytes &+= count
        if waitingBytes > marks.high { isWritable = false }
    }

    private func becomeWritable() {
        guard descriptor >= 0, outputError == nil else { return }
        isWritable = true
        connection?.outputDrained()
    }

    /// Notes that nothing can be written any more.
    private func breakOutput(_ code: CInt) {
        guard outputError == nil, descriptor >= 0 else { return }
        let error = IOError(errnoCode: code, reason: "send")
        outputError = error
        dropOutput()
        isWritable = false
        awaitsRoom = false
        updateInterest()
        if mustClose {
            end()
        } else if !isReading || inputHasEnded {
            fail(error)
        } else {
            // What the peer sent before is read on, and tells how it ended; mostly it is all there.
            failSoon(error, after: LinuxSocket.patience)
        }
    }

    private func dropOutput() {
        if hasBlock { loop.recycle(block) }
        hasBlock = false
        queue.removeAll(loop)
        droppedBytes &+= waitingBytes
        waitingBytes = 0
    }

    private func drop(_ block: OutputBlock) {
        droppedBytes &+= block.count
        loop.recycle(block)
    }

    // MARK: The end

    private func outputIsWritten() {
        if mustShutDown, descriptor >= 0 {
            mustShutDown = false
            if !shutdownWriting(descriptor) { return end() }
        }
        if mustClose { end() }
    }

    func shutdownOutput() {
        loop.assertOnLoop()
        mustShutDown = true
        if waitingBytes == 0 { outputIsWritten() }
    }

    func close() {
        loop.assertOnLoop()
        mustClose = true
        if waitingBytes == 0 { outputIsWritten() }
    }

    func abort() {
        loop.assertOnLoop()
        end()
    }

    /// The byte stream has failed: tells the connection, and ends.
    private func fail(_ error: IOError) {
        guard descriptor >= 0 else { return }
        inputHasEnded = true
        connection?.failed(NetworkErrorText.describe(error), error)
        end()
    }

    /// The same when the loop comes round, or later: not in the middle of what the connection is at.
    private func failSoon(_ error: IOError, after delay: Duration = .zero) {
        nonisolated(unsafe) let transport = self
        driver.execute(after: delay) { transport.fail(error) }
    }

    private func end() {
        guard registration != .over, registration != .none else { return }
        if registration == .watched { driver.forget(self) }
        registration = .over
        _ = closeDescriptor(descriptor)
        descriptor = -1
        isWritable = false
        dropOutput()
        driver.noteEnd()
        driver.retire(self)
        Unmanaged.passUnretained(self).release()
        if let connection {
            self.connection = nil
            connection.terminated()
        }
    }
}
#endif
