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

/// A socket on a ``UringLoop``.
///
/// It has at most one receive and one send under way. The kernel refers to the transport, and to what is being sent,
/// until both have been completed; only then is the socket closed.
final class UringTransport: LinuxTransport {
    private unowned(unsafe) let driver: UringLoop
    private unowned(unsafe) let loop: Loop
    /// The socket; negative once it is closed.
    private(set) var descriptor: CInt
    @exclusivity(unchecked) private var connection: Connection?

    /// Frames that are to be written, or are being written: mostly one block, or none.
    @exclusivity(unchecked) private var block = OutputBlock.none
    @exclusivity(unchecked) private var hasBlock = false
    /// What comes behind the block.
    @exclusivity(unchecked) private var queue = OutputQueue()
    /// How many bytes of the block have been written.
    @exclusivity(unchecked) private var writtenOfBlock = 0
    @exclusivity(unchecked) private(set) var pendingBytes = 0
    @exclusivity(unchecked) private(set) var isWritable = true {
        didSet { connection?.transportIsWritable = isWritable }
    }
    private let marks: BufferLimits.Marks

    /// From this size on, in bytes, a payload that is ours to keep is sent where it lies: below it, the kernel's work of
    /// holding on to the pages and of telling when it is done is no less than that of copying.
    static let minimumZeroCopySize = 64 << 10

    /// After so many the ring receives again.
    private static let maximumReadsInVain = 4

    @exclusivity(unchecked) private var isReceiving = false
    /// Whether large messages come, which are received where they are put together: with calls, when the ring tells that
    /// there is something.
    @exclusivity(unchecked) private var isReceivingDirectly = false
    /// How many reads in a row have brought no part of a large message.
    private var readsInVain = 0
    /// Whether what is under way is the wait for such bytes.
    private var awaitsInput = false
    @exclusivity(unchecked) private var isSending = false
    /// Whether large payloads are sent where they lie; until the kernel says that it does not, or cannot.
    private(set) var sendsWithoutCopy: Bool
    private var isReading = true
    private var inputHasEnded = false
    /// Whether the peer takes nothing any more. What it had sent before can still be read.
    private var outputIsBroken = false
    private var mustShutDown = false
    private var mustClose = false
    private var isEnding = false

    init(_ driver: UringLoop, _ descriptor: CInt, _ marks: BufferLimits.Marks) {
        self.driver = driver
        loop = driver.loop
        sendsWithoutCopy = driver.sendsWithoutCopy
        self.descriptor = descriptor
        self.marks = marks
    }

    func begin(_ connection: Connection) {
        self.connection = connection
        // Released when the socket has been closed.
        _ = Unmanaged.passRetained(self)
        connection.established()
        receive()
    }

    // MARK: Input

    private func receive() {
        guard isReading, !isReceiving, !inputHasEnded, !isEnding else { return }
        isReceiving = true
        awaitsInput = isReceivingDirectly
        if awaitsInput { driver.awaitInput(self) } else { driver.receive(self) }
    }

    /// Bytes have arrived.
    @inline(__always)
    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard !isEnding, let connection else { return }
        connection.received(bytes)
        if bytes.count >= DirectReceiving.readSize { receivedMuch(connection) }
    }

    /// Much has been received at once. Where it belongs to a large message, the ring is asked not to receive any more; what
    /// it does until then comes before all else.
    private func receivedMuch(_ connection: Connection) {
        guard !isReceivingDirectly, isReceiving, connection.isInsideLargeFrame else { return }
        isReceivingDirectly = true
        readsInVain = 0
        driver.cancelReceive(self)
    }

    /// What a receive came to; its bytes have been handed over.
    @inline(__always)
    func receiveCompleted(_ result: CInt, _ flags: UInt32) {
        guard result <= 0 || flags & Uring.Completion.more == 0 else { return }
        receiveEnded(result, flags)
    }

    private func receiveEnded(_ result: CInt, _ flags: UInt32) {
        if flags & Uring.Completion.more == 0 { isReceiving = false }
        guard !isEnding else { return finishEnd() }
        if awaitsInput {
            awaitsInput = false
            if result > 0 { return inputIsThere() }
        }
        judge(result)
        receive()
    }

    /// There is something to be received, of a large message perhaps, or the end of the stream.
    private func inputIsThere() {
        if let connection, !receiveDirectly(connection), mayRead { read(connection) }
        receive()
    }

    /// Receives the next message's beginning, and goes on with the rest of a large one.
    private func read(_ connection: Connection) {
        let count = lifeline_receive(descriptor, driver.readBuffer, DirectReceiving.readSize)
        guard count > 0 else { return judge(count == 0 ? 0 : -errno) }
        connection.received(UnsafeMutableRawBufferPointer(start: driver.readBuffer, count: count))
        if receiveDirectly(connection) || connection.isInsideLargeFrame {
            readsInVain = 0
        } else {
            readsInVain += 1
            if readsInVain == UringTransport.maximumReadsInVain { isReceivingDirectly = false }
        }
    }

    /// - Returns: Whether anything was received.
    private func receiveDirectly(_ connection: Connection) -> Bool {
        guard mayRead, connection.isInsideLargeFrame else { return false }
        return DirectReceiving.receive(connection, from: descriptor) { mayRead }
    }

    private var mayRead: Bool { isReading && !inputHasEnded && !isEnding && descriptor >= 0 }

    /// Sees to what ended a receive.
    private func judge(_ result: CInt) {
        switch -result {
        case ENOBUFS, ECANCELED, EINTR, EAGAIN:
            break
        case 0:
            inputHasEnded = true
            connection?.inputEnded()
        case ..<0:
            break
        case let code:
            inputHasEnded = true
            let error = IOError(errnoCode: code, reason: "recv")
            connection?.failed(NetworkErrorText.describe(error), error)
            end()
        }
    }

    func setReading(_ reads: Bool) {
        guard reads != isReading else { return }
        isReading = reads
        if reads {
            receive()
        } else if isReceiving {
            driver.cancelReceive(self)
        }
    }

    // MARK: Output

    @inline(__always)
    func write(_ block: OutputBlock) {
        guard descriptor >= 0, !outputIsBroken, !isEnding else { return loop.recycle(block) }
        add(block.count)
        if !hasBlock, queue.isEmpty {
            self.block = block
            writtenOfBlock = 0
            hasBlock = true
        } else {
            queue.append(block, loop)
        }
    }

    func write(_ payload: ByteBuffer) {
        guard descriptor >= 0, !outputIsBroken, !isEnding, payload.readableBytes > 0 else { return }
        if sendsWithoutCopy, payload.readableBytes >= UringTransport.minimumZeroCopySize {
            add(payload.readableBytes)
            queue.append(payload)
            return
        }
        let written = payload.withUnsafeReadableBytes { writeAtOnce($0) }
        guard written < payload.readableBytes, !outputIsBroken else { return }
        add(payload.readableBytes - written)
        queue.append(payload.getSlice(at: payload.readerIndex + written, length: payload.readableBytes - written)!)
    }

    /// Each such write is a call of its own, where others leave with the call that waits.
    var separatePayloadSize: Int { 64 << 10 }

    func write(lent payload: UnsafeRawBufferPointer) {
        guard descriptor >= 0, !outputIsBroken, !isEnding, !payload.isEmpty else { return }
        let rest = UnsafeRawBufferPointer(rebasing: payload[writeAtOnce(payload)...])
        guard !rest.isEmpty, !outputIsBroken else { return }
        add(rest.count)
        queue.append(copying: rest)
    }

    /// Writes a payload behind the block that waits, if any, with one call, where nothing is before them. Payloads are
    /// only lent, and the ring would need them for longer.
    ///
    /// - Returns: How much of the payload has been written.
    private func writeAtOnce(_ payload: UnsafeRawBufferPointer) -> Int {
        guard queue.isEmpty, !isSending else { return 0 }
        let header = hasBlock ? block.bytes : UnsafeRawBufferPointer(start: payload.baseAddress, count: 0)
        let written = lifeline_send2(descriptor, header.baseAddress, header.count, payload.baseAddress, payload.count)
        guard written >= 0 else {
            if errno != EAGAIN, errno != EINTR { breakOutput() }
            return 0
        }
        guard hasBlock else { return written }
        pendingBytes -= min(written, header.count)
        guard written >= header.count else {
            writtenOfBlock = written
            return 0
        }
        hasBlock = false
        loop.recycle(block)
        return written - header.count
    }

    @inline(__always)
    func flush() {
        if !isSending { send() }
    }

    @inline(__always)
    private func send() {
        guard !isEnding else { return }
        if hasBlock {
            isSending = true
            driver.send(self, UnsafeRawBufferPointer(rebasing: block.bytes[writtenOfBlock...]))
        } else if !queue.isEmpty {
            isSending = true
            if sendsWithoutCopy, queue.first.count >= UringTransport.minimumZeroCopySize,
                let payload = queue.firstPayload
            {
                driver.send(self, queue.first, of: payload)
            } else {
                driver.send(self, queue.first)
            }
        } else if !isWritable {
            // All went at once.
            becomeWritable()
        }
    }

    /// What a send came to.
    @inline(__always)
    func sendCompleted(_ result: CInt) {
        guard !sendCompletedEarly(result) else { return }
        isSending = false
        sendEnded(result)
    }

    /// The same in the middle of something else: only where nothing but the block's memory is to be seen to.
    ///
    /// - Returns: Whether it was so; otherwise nothing has happened.
    @inline(__always)
    func sendCompletedEarly(_ result: CInt) -> Bool {
        guard hasBlock, queue.isEmpty, Int(result) == block.count, writtenOfBlock == 0, isWritable, !isEnding,
            !mustShutDown, !mustClose
        else { return false }
        isSending = false
        hasBlock = false
        pendingBytes = 0
        loop.recycle(block)
        return true
    }

    private func sendEnded(_ result: CInt) {
        guard !isEnding else { return finishEnd() }
        guard result >= 0 else {
            if result == -EINTR || result == -EAGAIN { return send() }
            return breakOutput()
        }
        let count = Int(result)
        pendingBytes -= count
        if hasBlock {
            writtenOfBlock += count
            if writtenOfBlock == block.count {
                hasBlock = false
                loop.recycle(block)
            }
        } else {
            queue.advance(by: count, loop)
        }
        if !isWritable, pendingBytes < marks.low { becomeWritable() }
        // Who was told that there is room may have filled it.
        if !isSending, pendingBytes > 0 { send() }
        if pendingBytes == 0 { outputIsWritten() }
    }

    /// What a send without a copy came to; its memory is still in use.
    func zeroCopySendCompleted(_ result: CInt) {
        isSending = false
        guard result == -EOPNOTSUPP || result == -ENOMEM || result == -ENOBUFS, !isEnding else {
            return sendEnded(result)
        }
        // This kind of socket cannot do it, or the process may not have more memory locked for it.
        sendsWithoutCopy = false
        send()
    }

    /// The kernel has let go of a send's memory. Where it copied the bytes all the same, as it does to the same machine, all
    /// that the way of sending has brought is its own cost.
    func zeroCopyEnded(copied: Bool) {
        if copied { sendsWithoutCopy = false }
    }

    @inline(__always)
    private func add(_ count: Int) {
        pendingBytes &+= count
        if pendingBytes > marks.high { isWritable = false }
    }

    private func becomeWritable() {
        guard descriptor >= 0, !outputIsBroken, !isEnding else { return }
        isWritable = true
        connection?.outputDrained()
    }

    /// Drops what cannot be written any more. What the peer had to say is still read, and tells how it ended.
    private func breakOutput() {
        outputIsBroken = true
        isWritable = false
        dropOutput()
        if mustClose { end() }
    }

    private func dropOutput() {
        guard !isSending else { return }
        if hasBlock { loop.recycle(block) }
        hasBlock = false
        queue.removeAll(loop)
        pendingBytes = 0
    }

    // MARK: The end

    private func outputIsWritten() {
        if mustShutDown, descriptor >= 0, !isEnding {
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
        guard !isEnding, descriptor >= 0 else { return }
        isEnding = true
        isWritable = false
        if isReceiving || isSending {
            driver.cancelAll(self)
        } else {
            finishEnd()
        }
    }

    /// Closes the socket once nothing is under way on it.
    private func finishEnd() {
        guard isEnding, !isReceiving, !isSending, descriptor >= 0 else { return }
        dropOutput()
        _ = closeDescriptor(descriptor)
        descriptor = -1
        _ = driver.load.wrappingSubtract(1, ordering: .relaxed)
        driver.retire(self)
        Unmanaged.passUnretained(self).release()
        if let connection {
            self.connection = nil
            connection.terminated()
        }
    }
}
#endif
