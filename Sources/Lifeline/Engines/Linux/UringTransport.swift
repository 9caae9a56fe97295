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
/// It has at most one receive, one send and one watch under way. The kernel refers to the transport, and to what is being
/// sent, until all have been completed; only then is the socket closed.
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
    /// How many bytes are in both.
    @exclusivity(unchecked) private var waitingBytes = 0
    /// The bytes that were taken, and will not be written any more.
    private var droppedBytes = 0
    var pendingBytes: Int { waitingBytes &+ droppedBytes }
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
    /// Whether the ring would tell of a reset, while nothing is received.
    private var isWatching = false
    /// Whether reading has been paused before: where the ring cannot bound what it receives, it receives once at a time then.
    private var hasPaused = false
    /// Whether what is under way is bounded.
    private var receiveIsBounded = false
    @exclusivity(unchecked) private var isSending = false
    /// Whether large payloads are sent where they lie; until the kernel says that it does not, or cannot.
    private(set) var sendsWithoutCopy: Bool
    private var isReading = true
    private var inputHasEnded = false
    /// Why nothing can be written any more. What the peer had sent before can still be read.
    private var outputError: IOError?
    private var mustShutDown = false
    private var mustClose = false
    private var isEnding = false
    /// Whether the transport keeps itself alive.
    private var isOpen = false

    init(_ driver: UringLoop, _ descriptor: CInt, _ marks: BufferLimits.Marks) {
        self.driver = driver
        loop = driver.loop
        sendsWithoutCopy = driver.sendsWithoutCopy
        self.descriptor = descriptor
        self.marks = marks
    }

    deinit {
        assert(!isOpen && !isReceiving && !isSending && !isWatching, "an open socket was forgotten")
    }

    func begin(_ connection: Connection) {
        loop.assertOnLoop()
        assert(!isOpen && !isEnding, "a transport begins once")
        self.connection = connection
        // Released when the socket has been closed.
        _ = Unmanaged.passRetained(self)
        isOpen = true
        connection.established()
        receive()
    }

    // MARK: Input

    private func receive() {
        guard !isReceiving, !isEnding else { return }
        guard isReading, !inputHasEnded else { return watch() }
        isReceiving = true
        awaitsInput = isReceivingDirectly
        receiveIsBounded = driver.receivesBounded
        if awaitsInput { driver.awaitInput(self) } else { driver.receive(self, once: hasPaused && !receiveIsBounded) }
    }

    /// Has the ring tell of a reset: nothing else would, while nothing is received.
    private func watch() {
        guard !isWatching else { return }
        isWatching = true
        driver.watch(self)
    }

    /// What the watch came to: what has happened to the socket, or an error.
    func watchCompleted(_ result: CInt, _ flags: UInt32) {
        if flags & Uring.Completion.more == 0 { isWatching = false }
        guard !isEnding else { return finishEnd() }
        if result > 0 {
            if UInt32(result) & (lifeline_epollerr | lifeline_epollhup) != 0 { hungUp() }
        } else if result < 0, result != -ECANCELED, result != -EINTR {
            fail(IOError(errnoCode: -result, reason: "poll"))
        }
        if !isWatching, !isReading || inputHasEnded { receive() }
    }

    /// The socket has failed, or both of its directions are over.
    private func hungUp() {
        // Where it is read from, what the peer sent before comes first, and tells how it ended.
        if isReading, !inputHasEnded { return }
        if let error = outputError ?? LinuxSocket.takeError(descriptor, "recv") { return fail(error) }
        if inputHasEnded { end() }
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
        case EINVAL where receiveIsBounded && driver.receivesBounded:
            driver.receivesBounded = false
        case 0:
            // A reset that a send has met looks like an end here.
            if let outputError, outputError.errnoCode != EPIPE { return fail(outputError) }
            inputHasEnded = true
            connection?.inputEnded()
        case ..<0:
            break
        case let code:
            fail(IOError(errnoCode: code, reason: "recv"))
        }
    }

    func setReading(_ reads: Bool) {
        loop.assertOnLoop()
        guard reads != isReading else { return }
        isReading = reads
        if reads {
            if isWatching { driver.cancelWatch(self) }
            receive()
        } else {
            hasPaused = true
            if isReceiving { driver.cancelReceive(self) } else { receive() }
            // Nothing that is still to be read would tell.
            if let outputError { failSoon(outputError) }
        }
    }

    // MARK: Output

    @inline(__always)
    private var takesOutput: Bool { descriptor >= 0 && !isEnding && outputError == nil }

    @inline(__always)
    func write(_ block: OutputBlock) {
        loop.assertOnLoop()
        guard takesOutput else { return drop(block) }
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
        guard payload.readableBytes > 0 else { return }
        guard takesOutput else {
            droppedBytes &+= payload.readableBytes
            return
        }
        if sendsWithoutCopy, payload.readableBytes >= UringTransport.minimumZeroCopySize {
            add(payload.readableBytes)
            queue.append(payload)
            return
        }
        let written = payload.withUnsafeReadableBytes { writeAtOnce($0) }
        guard written < payload.readableBytes else { return }
        guard takesOutput else {
            droppedBytes &+= payload.readableBytes
            return
        }
        add(payload.readableBytes - written)
        queue.append(payload.getSlice(at: payload.readerIndex + written, length: payload.readableBytes - written)!)
    }

    /// Each such write is a call of its own, where others leave with the call that waits.
    var separatePayloadSize: Int { 64 << 10 }

    func write(lent payload: UnsafeRawBufferPointer) {
        guard !payload.isEmpty else { return }
        guard takesOutput else {
            droppedBytes &+= payload.count
            return
        }
        let rest = UnsafeRawBufferPointer(rebasing: payload[writeAtOnce(payload)...])
        guard !rest.isEmpty else { return }
        guard takesOutput else {
            droppedBytes &+= payload.count
            return
        }
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
            let error = errno
            if error != EAGAIN, error != EINTR { breakOutput(error) }
            return 0
        }
        guard hasBlock else { return written }
        waitingBytes -= min(written, header.count)
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
        assert(isSending && (hasBlock || !queue.isEmpty), "a send ends once, and with something to send")
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
        waitingBytes = 0
        loop.recycle(block)
        return true
    }

    private func sendEnded(_ result: CInt) {
        guard !isEnding else { return finishEnd() }
        guard result >= 0 else {
            if result == -EINTR || result == -EAGAIN { return send() }
            return breakOutput(-result)
        }
        let count = Int(result)
        assert(count <= waitingBytes, "more was written than was handed over")
        waitingBytes -= count
        if hasBlock {
            writtenOfBlock += count
            if writtenOfBlock == block.count {
                hasBlock = false
                loop.recycle(block)
            }
        } else {
            queue.advance(by: count, loop)
        }
        if !isWritable, waitingBytes < marks.low { becomeWritable() }
        // Who was told that there is room may have filled it.
        if !isSending, waitingBytes > 0 { send() }
        if waitingBytes == 0 { outputIsWritten() }
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
        waitingBytes &+= count
        if waitingBytes > marks.high { isWritable = false }
    }

    private func becomeWritable() {
        guard takesOutput else { return }
        isWritable = true
        connection?.outputDrained()
    }

    /// Notes that nothing can be written any more.
    private func breakOutput(_ code: CInt) {
        guard takesOutput else { return }
        let error = IOError(errnoCode: code, reason: "send")
        outputError = error
        isWritable = false
        dropOutput()
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
        guard !isSending else { return }
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
        if mustShutDown, descriptor >= 0, !isEnding {
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
        guard descriptor >= 0, !isEnding else { return }
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
        guard !isEnding, descriptor >= 0 else { return }
        isEnding = true
        isWritable = false
        if isReceiving || isSending || isWatching {
            driver.cancelAll(self)
        } else {
            finishEnd()
        }
    }

    /// Closes the socket once nothing is under way on it.
    private func finishEnd() {
        guard isEnding, !isReceiving, !isSending, !isWatching, isOpen else { return }
        isOpen = false
        dropOutput()
        _ = closeDescriptor(descriptor)
        descriptor = -1
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
