#if os(Linux)
import CLifelineLinux
import LifelineCore
import NIOCore

#if canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A socket on an ``EpollLoop``.
final class EpollTransport: LinuxTransport {
    private var epoll: EpollLoop { unsafeDowncast(driver, to: EpollLoop.self) }
    /// Whether epoll reports events of the socket. It does not where the kernel refused the socket, or while there is
    /// nothing to report until reading goes on.
    private var isWatched = false
    /// The events that epoll reports.
    private var interest: UInt32 = 0

    override func begin(_ connection: Connection) {
        super.begin(connection)
        interest = lifeline_epollin
        let error = watch()
        connection.established()
        if let error { fail(error) }
    }

    /// Has epoll report the socket's events.
    private func watch() -> IOError? {
        guard epoll.add(self, interest) else { return IOError(errnoCode: errno, reason: "epoll_ctl") }
        isWatched = true
        return nil
    }

    private func updateInterest() {
        let wanted = (isReading && !inputHasEnded ? lifeline_epollin : 0) | (awaitsKernel ? lifeline_epollout : 0)
        guard wanted != interest, descriptor >= 0 else { return }
        interest = wanted
        if isWatched {
            if !epoll.change(self, wanted) { failSoon(IOError(errnoCode: errno, reason: "epoll_ctl")) }
        } else if isReading, let error = watch() {
            failSoon(error)
        }
    }

    /// Handles events of the socket.
    @inline(__always)
    func ready(_ events: UInt32) {
        if events & lifeline_epollin != 0, isReading, !inputHasEnded { read() }
        if events & ~lifeline_epollin != 0 { handleOtherEvents(events) }
    }

    private func handleOtherEvents(_ events: UInt32) {
        if events & lifeline_epollout != 0, awaitsKernel { drain() }
        if descriptor >= 0, events & (lifeline_epollerr | lifeline_epollhup) != 0 { hungUp() }
    }

    /// Handles a failure of the socket, or the end of both directions.
    private func hungUp() {
        // What the peer sent comes first, and shows how it ended.
        if mayRead { return read() }
        endAfterHangUp()
        guard !isEnding else { return }
        // Everything the peer will ever send is in the kernel until reading resumes; epoll would report it
        // continuously.
        epoll.forget(self)
        isWatched = false
    }

    // MARK: Input

    @inline(__always)
    private func read() {
        guard let connection else { return }
        if isReceivingDirectly, receiveDirectly(connection) { return }
        let size = isReceivingDirectly ? DirectReceiving.readSize : readSize(connection)
        let buffer = UnsafeMutableRawBufferPointer(start: epoll.readBuffer.baseAddress, count: size)
        let count = receiveBytes(descriptor, buffer)
        if count > 0 {
            connection.received(UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            if count >= DirectReceiving.readSize { receivedMuch(connection) }
        } else {
            receiveFailed(count == 0 ? 0 : errno)
            updateInterest()
        }
    }

    /// The most bytes to read at once. Fewer while the application lags behind, because they are kept for it.
    @inline(__always)
    private func readSize(_ connection: Connection) -> Int {
        isWritable && connection.inbox.isEmpty ? epoll.readBuffer.count : EpollTransport.readSizeWhileBehind
    }

    private static let readSizeWhileBehind = 64 << 10

    /// Chooses how to receive after a large read: the rest of a large message directly, everything else with ordinary reads.
    private func receivedMuch(_ connection: Connection) {
        isReceivingDirectly = connection.isInsideLargeFrame
        if isReceivingDirectly { _ = receiveDirectly(connection) }
    }

    override func readingChanged() {
        updateInterest()
    }

    // MARK: Output

    @inline(__always)
    override func flush() {
        guard output.isOneWholeBlock, !awaitsKernel else { return flushOther() }
        let block = output.block
        let written = lifeline_send(descriptor, block.base, block.count)
        guard written == block.count else { return flushedPartially(written) }
        output.removeWholeBlock()
        if !isWritable { becomeWritable() }
    }

    private func flushOther() {
        if awaitsKernel { return }
        if !output.isEmpty { drain() } else if !isWritable { becomeWritable() }
    }

    private func flushedPartially(_ written: Int) {
        if written < 0, errno != EAGAIN, errno != EINTR { return sendFailed(errno) }
        output.advance(by: max(written, 0))
        socketIsFull()
    }

    /// Writes what waits until the socket is full.
    private func drain() {
        while !output.isEmpty {
            let bytes = output.first
            let written = lifeline_send(descriptor, bytes.baseAddress, bytes.count)
            if written < 0 {
                if errno == EAGAIN || errno == EINTR { break }
                return sendFailed(errno)
            }
            output.advance(by: written)
            if written < bytes.count { break }
        }
        awaitsKernel = !output.isEmpty
        updateInterest()
        outputAdvanced()
    }

    override func socketIsFull() {
        awaitsKernel = true
        updateInterest()
    }

    override func sendHasFailed() {
        awaitsKernel = false
        updateInterest()
    }

    // MARK: The end

    override func stop() {
        if isWatched { epoll.forget(self) }
        isWatched = false
        finishEnd()
    }
}
#endif
