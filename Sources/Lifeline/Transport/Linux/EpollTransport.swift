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

    /// Frames that are to be written: mostly one block, or none.
    @exclusivity(unchecked) private var block = OutputBlock.none
    @exclusivity(unchecked) private var hasBlock = false
    /// What the socket did not take.
    @exclusivity(unchecked) private var queue = OutputQueue()
    @exclusivity(unchecked) private(set) var pendingBytes = 0
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
    /// Whether the peer takes nothing any more. What it had sent before can still be read.
    private var outputIsBroken = false
    private var mustShutDown = false
    private var mustClose = false

    init(_ driver: EpollLoop, _ descriptor: CInt, _ marks: BufferLimits.Marks) {
        self.driver = driver
        loop = driver.loop
        self.descriptor = descriptor
        self.marks = marks
    }

    func begin(_ connection: Connection) {
        self.connection = connection
        interest = lifeline_epollin
        guard driver.add(self, interest) else {
            let error = IOError(errnoCode: errno, reason: "epoll_ctl")
            connection.failed(NetworkErrorText.describe(error), error)
            return end()
        }
        connection.established()
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
        guard descriptor >= 0, events & (lifeline_epollerr | lifeline_epollhup) != 0 else { return }
        if inputHasEnded {
            end()
        } else {
            // Both directions are over, whatever the application would like to read later.
            readable()
        }
    }

    @inline(__always)
    private func readable() {
        guard let connection else { return }
        if isReceivingDirectly, receiveDirectly(connection) { return }
        let size = isReceivingDirectly ? DirectReceiving.readSize : driver.readBuffer.count
        let buffer = UnsafeMutableRawBufferPointer(start: driver.readBuffer.baseAddress, count: size)
        let count = receiveBytes(descriptor, buffer)
        if count > 0 {
            connection.received(UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            if count >= DirectReceiving.readSize { readMuch(connection) }
        } else {
            readFailed(count == 0 ? 0 : errno, connection)
        }
    }

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
            inputHasEnded = true
            updateInterest()
            connection.inputEnded()
        default:
            let error = IOError(errnoCode: error, reason: "recv")
            connection.failed(NetworkErrorText.describe(error), error)
            end()
        }
    }

    func setReading(_ reads: Bool) {
        isReading = reads
        updateInterest()
    }

    private func updateInterest() {
        let wanted = (isReading && !inputHasEnded ? lifeline_epollin : 0) | (awaitsRoom ? lifeline_epollout : 0)
        guard wanted != interest, descriptor >= 0 else { return }
        interest = wanted
        driver.change(self, wanted)
    }

    // MARK: Output

    @inline(__always)
    func write(_ block: OutputBlock) {
        guard descriptor >= 0, !outputIsBroken else { return loop.recycle(block) }
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
        guard descriptor >= 0, !outputIsBroken else { return }
        if payload.readableBytes > 0, queue.isEmpty, !awaitsRoom {
            let written = payload.withUnsafeReadableBytes { writeAtOnce($0) }
            guard written < payload.readableBytes, !outputIsBroken else { return }
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
        guard descriptor >= 0, !outputIsBroken else { return }
        var rest = payload
        if !payload.isEmpty, queue.isEmpty, !awaitsRoom {
            rest = UnsafeRawBufferPointer(rebasing: payload[writeAtOnce(payload)...])
            guard !rest.isEmpty, !outputIsBroken else { return }
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
            if errno != EAGAIN, errno != EINTR { breakOutput() }
            spill()
            return 0
        }
        if hasBlock {
            hasBlock = false
            pendingBytes -= min(written, header.count)
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
        pendingBytes = 0
        loop.recycle(block)
        if !isWritable { becomeWritable() }
    }

    private func flushQueue() {
        if pendingBytes > 0, !awaitsRoom { drain() }
    }

    private func flushIncompletely(_ written: Int) {
        if written < 0, errno != EAGAIN, errno != EINTR { return breakOutput() }
        hasBlock = false
        pendingBytes -= max(written, 0)
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
                return breakOutput()
            }
            pendingBytes -= written
            queue.advance(by: written, loop)
            if written < bytes.count { break }
        }
        awaitsRoom = !queue.isEmpty
        updateInterest()
        if !isWritable, pendingBytes < marks.low { becomeWritable() }
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
        pendingBytes &+= count
        if pendingBytes > marks.high { isWritable = false }
    }

    private func becomeWritable() {
        guard descriptor >= 0, !outputIsBroken else { return }
        isWritable = true
        connection?.outputDrained()
    }

    /// Drops what cannot be written any more. What the peer had to say is still read, and tells how it ended.
    private func breakOutput() {
        outputIsBroken = true
        dropOutput()
        isWritable = false
        awaitsRoom = false
        updateInterest()
        if mustClose { end() }
    }

    private func dropOutput() {
        if hasBlock { loop.recycle(block) }
        hasBlock = false
        queue.removeAll(loop)
        pendingBytes = 0
    }

    // MARK: The end

    private func outputIsWritten() {
        if mustShutDown, descriptor >= 0 {
            mustShutDown = false
            shutdownWriting(descriptor)
        }
        if mustClose { end() }
    }

    func shutdownOutput() {
        mustShutDown = true
        if pendingBytes == 0 { outputIsWritten() }
    }

    func close() {
        mustClose = true
        if pendingBytes == 0 { outputIsWritten() }
    }

    func abort() {
        end()
    }

    private func end() {
        guard descriptor >= 0 else { return }
        driver.remove(self)
        _ = closeDescriptor(descriptor)
        descriptor = -1
        isWritable = false
        dropOutput()
        _ = driver.load.wrappingSubtract(1, ordering: .relaxed)
        if let connection {
            self.connection = nil
            connection.terminated()
        }
    }
}
#endif
