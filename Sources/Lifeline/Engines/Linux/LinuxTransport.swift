#if os(Linux)
import CLifelineLinux
import LifelineCore
import NIOCore

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A connected socket on a ``LinuxLoop``.
///
/// Implements what epoll and io_uring have in common: output and its back-pressure, failures, and the end. Subclasses
/// implement how they wait for input, and how they send.
class LinuxTransport: Transport {
    unowned(unsafe) let driver: LinuxLoop
    final var loop: Loop { output.loop }
    /// The socket; negative once it is closed.
    private(set) final var descriptor: CInt
    @exclusivity(unchecked) private(set) final var connection: Connection?

    @exclusivity(unchecked) final var output: SocketOutput
    @exclusivity(unchecked) private(set) final var isWritable = true {
        didSet { connection?.transportIsWritable = isWritable }
    }
    /// Whether output goes on when the kernel reports something: that the socket has room (epoll), or the end of the send
    /// that is under way (io_uring).
    @exclusivity(unchecked) final var awaitsKernel = false
    /// Whether bytes can be written: no send has failed, and the transport is not ending.
    @exclusivity(unchecked) private(set) final var takesOutput = true
    /// Why a send failed. What the peer sent before can still be read.
    private(set) final var sendError: IOError?
    private final var mustShutDown = false
    private final var mustClose = false

    @exclusivity(unchecked) private(set) final var isReading = true
    @exclusivity(unchecked) private(set) final var inputHasEnded = false
    /// Whether large messages arrive, which are received straight into the memory in which they are assembled.
    @exclusivity(unchecked) final var isReceivingDirectly = false

    /// Whether the transport has begun and its socket is open. It keeps itself alive until then.
    private final var isOpen = false
    /// Whether the end has begun: the socket is closed, or is closed when nothing is under way on it any more.
    @exclusivity(unchecked) private(set) final var isEnding = false

    init(_ driver: LinuxLoop, _ descriptor: CInt, _ marks: BufferLimits.Marks) {
        self.driver = driver
        self.descriptor = descriptor
        output = SocketOutput(marks, driver.loop)
    }

    deinit {
        assert(!isOpen, "a transport was released with an open socket")
    }

    // MARK: Implemented by subclasses

    /// Begins to read for a connection; on the loop. Overrides call `super` first, and then `connection.established()`.
    func begin(_ connection: Connection) {
        loop.assertOnLoop()
        assert(!isOpen && !isEnding, "a transport begins once")
        self.connection = connection
        // Released when the socket is closed.
        _ = Unmanaged.passRetained(self)
        isOpen = true
    }

    func flush() {
        preconditionFailure("implemented by subclasses")
    }

    /// Called when ``isReading`` has changed.
    func readingChanged() {
        preconditionFailure("implemented by subclasses")
    }

    /// Called when the socket has not taken all bytes of a write.
    func socketIsFull() {}

    /// Called when a send has failed.
    func sendHasFailed() {}

    /// Stops everything that is under way on the socket, and then calls ``finishEnd()``.
    func stop() {
        preconditionFailure("implemented by subclasses")
    }

    var separatePayloadSize: Int { 16 << 10 }

    // MARK: Input

    @inline(__always)
    final var mayRead: Bool { isReading && !inputHasEnded && !isEnding }

    final func setOutboundMarks(_ marks: BufferLimits.Marks) {
        output.marks = marks
    }

    final func setReading(_ reads: Bool) {
        loop.assertOnLoop()
        guard reads != isReading else { return }
        isReading = reads
        readingChanged()
        // While nothing is read, nothing else would report the failed send.
        if !reads, let sendError { failSoon(sendError) }
    }

    /// Receives the rest of a large message.
    ///
    /// - Returns: Whether anything was received.
    final func receiveDirectly(_ connection: Connection) -> Bool {
        guard mayRead, connection.isInsideLargeFrame else { return false }
        return DirectReceiving.receive(connection, from: descriptor) { mayRead }
    }

    /// Handles a receive that brought no bytes.
    ///
    /// - Parameter code: The error, or 0 where the peer has ended its side of TCP.
    func receiveFailed(_ code: CInt) {
        switch code {
        case EAGAIN, EINTR:
            break
        case 0:
            // After a reset that a send has met, the stream seems to end here.
            if let sendError, sendError.errnoCode != EPIPE { return fail(sendError) }
            inputHasEnded = true
            connection?.inputEnded()
        default:
            fail(IOError(errnoCode: code, reason: "recv"))
        }
    }

    /// Ends the transport if the socket has failed, or if both directions have ended. For a hang-up while nothing is read.
    final func endAfterHangUp() {
        assert(!mayRead, "what the peer sent comes first, and shows how it ended")
        if let error = sendError ?? LinuxSocket.takeError(descriptor, "recv") { return fail(error) }
        if inputHasEnded { end() }
    }

    // MARK: Output

    final var pendingBytes: Int { output.pendingBytes }

    @inline(__always)
    final func write(_ block: OutputBlock) {
        loop.assertOnLoop()
        guard takesOutput else { return output.drop(block) }
        output.append(block)
        if output.isAboveHighMark { isWritable = false }
    }

    func write(_ payload: ByteBuffer) {
        let written = payload.withUnsafeReadableBytes { writeAtOnce($0) }
        guard written < payload.readableBytes else { return }
        enqueue(payload.getSlice(at: payload.readerIndex + written, length: payload.readableBytes - written)!)
    }

    final func write(lent payload: UnsafeRawBufferPointer) {
        let rest = UnsafeRawBufferPointer(rebasing: payload[writeAtOnce(payload)...])
        guard !rest.isEmpty else { return }
        guard takesOutput else { return output.drop(rest.count) }
        output.append(copying: rest)
        if output.isAboveHighMark { isWritable = false }
    }

    /// Adds a payload behind everything that waits.
    final func enqueue(_ payload: ByteBuffer) {
        loop.assertOnLoop()
        guard takesOutput else { return output.drop(payload.readableBytes) }
        output.append(payload)
        if output.isAboveHighMark { isWritable = false }
    }

    /// Writes a payload together with the block that waits, if any, in one call, unless other output comes before them.
    ///
    /// - Returns: How many bytes of the payload have been written.
    private func writeAtOnce(_ payload: UnsafeRawBufferPointer) -> Int {
        loop.assertOnLoop()
        guard !payload.isEmpty, takesOutput, output.isQueueEmpty, !awaitsKernel else { return 0 }
        let header =
            output.hasBlock
            ? output.unwrittenOfBlock : UnsafeRawBufferPointer(start: payload.baseAddress, count: 0)
        let written = lifeline_send2(descriptor, header.baseAddress, header.count, payload.baseAddress, payload.count)
        guard written >= 0 else {
            let error = errno
            if error == EAGAIN || error == EINTR { socketIsFull() } else { sendFailed(error) }
            return 0
        }
        output.advance(by: min(written, header.count))
        if written < header.count &+ payload.count { socketIsFull() }
        return max(written - header.count, 0)
    }

    /// Acts on the progress of the output: notifies the connection that there is room, or ends what waited for it.
    final func outputAdvanced() {
        if !isWritable, output.isBelowLowMark { becomeWritable() }
        if output.isEmpty { outputIsWritten() }
    }

    final func becomeWritable() {
        guard takesOutput else { return }
        isWritable = true
        connection?.outputDrained()
    }

    /// Records that nothing can be written any more.
    ///
    /// While the peer is still being read, what it sent before comes first: it shows best how the connection ended, and
    /// mostly it has all arrived.
    final func sendFailed(_ code: CInt) {
        guard takesOutput else { return }
        let error = IOError(errnoCode: code, reason: "send")
        takesOutput = false
        sendError = error
        output.removeAll()
        isWritable = false
        sendHasFailed()
        if mustClose {
            end()
        } else if !isReading || inputHasEnded {
            fail(error)
        } else {
            failSoon(error, after: LinuxSocket.readingAfterFailedSend)
        }
    }

    // MARK: The end

    /// Whether the transport ends, or ends its output, when everything has been written.
    @inline(__always)
    final var endsAfterOutput: Bool { mustShutDown || mustClose }

    private func outputIsWritten() {
        if mustShutDown, !isEnding {
            mustShutDown = false
            if !shutdownWriting(descriptor) { return end() }
        }
        if mustClose { end() }
    }

    final func shutdownOutput() {
        loop.assertOnLoop()
        mustShutDown = true
        if output.isEmpty { outputIsWritten() }
    }

    final func close() {
        loop.assertOnLoop()
        mustClose = true
        if output.isEmpty { outputIsWritten() }
    }

    final func abort() {
        loop.assertOnLoop()
        end()
    }

    /// Reports to the connection that the byte stream has failed, and ends.
    final func fail(_ error: IOError) {
        guard isOpen, !isEnding else { return }
        inputHasEnded = true
        connection?.failed(NetworkErrorText.describe(error), error)
        end()
    }

    /// Reports the failure after the current event, never from inside a call of the connection.
    final func failSoon(_ error: IOError, after delay: Duration = .zero) {
        nonisolated(unsafe) let transport = self
        driver.execute(after: delay) { transport.fail(error) }
    }

    private func end() {
        guard isOpen, !isEnding else { return }
        isEnding = true
        takesOutput = false
        isWritable = false
        stop()
    }

    /// Closes the socket. Nothing may be under way on it.
    final func finishEnd() {
        assert(isEnding)
        guard isOpen else { return }
        isOpen = false
        output.removeAll()
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
