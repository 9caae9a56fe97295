#if os(Linux)
import CLifelineLinux
import LifelineCore
import NIOCore

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
    private var uring: UringLoop { unsafeDowncast(driver, to: UringLoop.self) }

    /// The size in bytes from which a payload that may be kept is sent without a copy. Below it, pinning its pages and
    /// reporting when they are free costs the kernel no less than copying.
    static let minimumZeroCopySize = 64 << 10

    /// After so many reads that bring no part of a large message, the ring receives again.
    private static let maximumReadsInVain = 4

    @exclusivity(unchecked) private var isReceiving = false
    /// How many reads in a row have brought no part of a large message.
    private var readsInVain = 0
    /// Whether the receive that is under way only waits until there is input, so that large messages are received with calls.
    private var awaitsInput = false
    /// Whether the ring would report a reset while nothing is received.
    private var isWatching = false
    /// Whether reading has been paused before. Where the ring cannot bound what it receives, it then receives once at a time.
    private var hasPaused = false
    /// Whether the kernel bounds the receive that is under way.
    private var receiveIsBounded = false
    /// Whether large payloads are sent without a copy; until the kernel reports that it cannot, or does not.
    private(set) var sendsWithoutCopy: Bool

    init(_ driver: UringLoop, _ descriptor: CInt, _ marks: BufferLimits.Marks) {
        sendsWithoutCopy = driver.sendsWithoutCopy
        super.init(driver, descriptor, marks)
    }

    override func begin(_ connection: Connection) {
        super.begin(connection)
        connection.established()
        receive()
    }

    // MARK: Input

    private func receive() {
        guard !isReceiving, !isEnding else { return }
        guard isReading, !inputHasEnded else { return watch() }
        isReceiving = true
        awaitsInput = isReceivingDirectly
        receiveIsBounded = uring.receivesBounded
        if awaitsInput { uring.awaitInput(self) } else { uring.receive(self, once: hasPaused && !receiveIsBounded) }
    }

    /// Has the ring report a reset, which nothing else would while nothing is received.
    private func watch() {
        guard !isWatching else { return }
        isWatching = true
        uring.watch(self)
    }

    /// Handles the completion of a watch: events of the socket, or an error.
    func watchCompleted(_ result: CInt, _ flags: UInt32) {
        if flags & Uring.Completion.more == 0 { isWatching = false }
        guard !isEnding else { return finishEndIfIdle() }
        if result > 0 {
            if UInt32(result) & (lifeline_epollerr | lifeline_epollhup) != 0, !mayRead { endAfterHangUp() }
        } else if result < 0, result != -ECANCELED, result != -EINTR {
            fail(IOError(errnoCode: -result, reason: "poll"))
        }
        if !isWatching, !isReading || inputHasEnded { receive() }
    }

    /// Handles bytes that the ring has received.
    @inline(__always)
    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard !isEnding, let connection else { return }
        connection.received(bytes)
        if bytes.count >= DirectReceiving.readSize { receivedMuch(connection) }
    }

    /// Stops receiving with the ring after a large read that belongs to a large message. What the ring receives until then
    /// comes first.
    private func receivedMuch(_ connection: Connection) {
        guard !isReceivingDirectly, isReceiving, connection.isInsideLargeFrame else { return }
        isReceivingDirectly = true
        readsInVain = 0
        uring.cancelReceive(self)
    }

    /// Handles the completion of a receive, whose bytes have been delivered.
    @inline(__always)
    func receiveCompleted(_ result: CInt, _ flags: UInt32) {
        guard result <= 0 || flags & Uring.Completion.more == 0 else { return }
        receiveEnded(result, flags)
    }

    private func receiveEnded(_ result: CInt, _ flags: UInt32) {
        if flags & Uring.Completion.more == 0 { isReceiving = false }
        guard !isEnding else { return finishEndIfIdle() }
        if awaitsInput {
            awaitsInput = false
            if result > 0 { return inputIsThere() }
        }
        if result <= 0 { receiveFailed(-result) }
        receive()
    }

    /// Receives after a wait for input: a part of a large message, other bytes, or the end of the stream.
    private func inputIsThere() {
        if let connection, !receiveDirectly(connection), mayRead { read(connection) }
        receive()
    }

    /// Receives the beginning of the next message, and then the rest of it if it is large.
    private func read(_ connection: Connection) {
        let count = lifeline_receive(descriptor, uring.readBuffer, DirectReceiving.readSize)
        guard count > 0 else { return receiveFailed(count == 0 ? 0 : errno) }
        connection.received(UnsafeMutableRawBufferPointer(start: uring.readBuffer, count: count))
        if receiveDirectly(connection) || connection.isInsideLargeFrame {
            readsInVain = 0
        } else {
            readsInVain += 1
            if readsInVain == UringTransport.maximumReadsInVain { isReceivingDirectly = false }
        }
    }

    override func receiveFailed(_ code: CInt) {
        switch code {
        case ENOBUFS, ECANCELED:
            break
        case EINVAL where receiveIsBounded && uring.receivesBounded:
            uring.receivesBounded = false
        default:
            super.receiveFailed(code)
        }
    }

    override func readingChanged() {
        if isReading {
            if isWatching { uring.cancelWatch(self) }
            receive()
        } else {
            hasPaused = true
            if isReceiving { uring.cancelReceive(self) } else { receive() }
        }
    }

    // MARK: Output

    /// A write of its own is a system call of its own; everything else leaves with the call that waits.
    override var separatePayloadSize: Int { 64 << 10 }

    override func write(_ payload: ByteBuffer) {
        if sendsWithoutCopy, payload.readableBytes >= UringTransport.minimumZeroCopySize {
            enqueue(payload)
        } else {
            super.write(payload)
        }
    }

    @inline(__always)
    override func flush() {
        if !awaitsKernel { send() }
    }

    @inline(__always)
    private func send() {
        guard !isEnding else { return }
        if output.hasBlock {
            awaitsKernel = true
            uring.send(self, output.unwrittenOfBlock)
        } else if !output.isEmpty {
            awaitsKernel = true
            let bytes = output.first
            if sendsWithoutCopy, bytes.count >= UringTransport.minimumZeroCopySize, let payload = output.firstPayload {
                uring.send(self, bytes, of: payload)
            } else {
                uring.send(self, bytes)
            }
        } else if !isWritable {
            // Everything has been written at once.
            becomeWritable()
        }
    }

    /// Handles the completion of a send.
    @inline(__always)
    func sendCompleted(_ result: CInt) {
        assert(awaitsKernel && !output.isEmpty, "a send ends once, and with something to send")
        guard !sendCompletedEarly(result) else { return }
        awaitsKernel = false
        sendEnded(result)
    }

    /// Handles the completion of a send from inside something else, if recycling the block is all there is to do.
    ///
    /// - Returns: Whether it did; otherwise nothing has happened.
    @inline(__always)
    func sendCompletedEarly(_ result: CInt) -> Bool {
        guard output.isOneWholeBlock, Int(result) == output.block.count, isWritable, !endsAfterOutput
        else { return false }
        awaitsKernel = false
        output.removeWholeBlock()
        return true
    }

    private func sendEnded(_ result: CInt) {
        guard !isEnding else { return finishEndIfIdle() }
        guard result >= 0 else {
            if result == -EINTR || result == -EAGAIN { return send() }
            return sendFailed(-result)
        }
        output.advance(by: Int(result))
        outputAdvanced()
        // The connection may have begun another send when it heard that there is room.
        if !awaitsKernel, !output.isEmpty { send() }
    }

    /// Handles the completion of a send without a copy. Its memory is still in use.
    func zeroCopySendCompleted(_ result: CInt) {
        awaitsKernel = false
        guard result == -EOPNOTSUPP || result == -ENOMEM || result == -ENOBUFS, !isEnding else {
            return sendEnded(result)
        }
        // This kind of socket cannot do it, or the process may not lock more memory.
        sendsWithoutCopy = false
        send()
    }

    /// Handles the kernel's notification that it no longer uses the memory of a send. If it copied the bytes all the same, as
    /// it does for connections to the same machine, sending without a copy only adds cost.
    func zeroCopyEnded(copied: Bool) {
        if copied { sendsWithoutCopy = false }
    }

    // MARK: The end

    override func stop() {
        if isReceiving || awaitsKernel || isWatching { uring.cancelAll(self) } else { finishEnd() }
    }

    /// Closes the socket once nothing is under way on it.
    private func finishEndIfIdle() {
        if !isReceiving, !awaitsKernel, !isWatching { finishEnd() }
    }
}
#endif
