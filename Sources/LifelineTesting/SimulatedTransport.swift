package import Lifeline
import LifelineCore
package import NIOCore

/// One end of a simulated TCP connection.
///
/// It behaves like a socket: bytes that the peer does not read fill the peer's socket buffer, then the network, then
/// this end's buffer, until this end is no longer writable. Tests can cause faults with ``reset()``, ``cut()``,
/// ``failWrites()``, a peer that does not read (``setReading(_:)``), and the settings of ``SimulatedLink``.
///
/// `@unchecked Sendable`: it is used on the simulation's thread only.
package final class SimulatedTransport: Transport, @unchecked Sendable {
    private let network: SimulatedNetwork
    private let link: SimulatedLink
    private var marks: BufferLimits.Marks
    /// The user that reads and writes here; `nil` before ``begin(_:)`` and once TCP has ended.
    package private(set) var user: (any StreamUser)?
    private weak var peer: SimulatedTransport?
    /// Whether a user has been attached. Until then arriving bytes wait in the socket.
    private var hasBegun = false

    // Output
    private var pending = ByteBuffer()
    private var flushed = 0
    /// The number of bytes that were dropped because a write failed or TCP had ended.
    private var dropped = 0
    package private(set) var isWritable = true {
        didSet { user?.writabilityChanged(to: isWritable) }
    }
    private var endsOutput = false
    private var closesAfterOutput = false
    private var outputHasEnded = false
    private var pushIsDue = false
    /// Whether writes fail from now on.
    private var writesFail = false
    /// Whether a write has failed, so that nothing more can be written. The connection learns of it as soon as it does
    /// not read, and otherwise within ``brokenOutputTimeout``.
    package private(set) var outputIsBroken = false
    /// How long reading continues after a write has failed.
    package static let brokenOutputTimeout = Duration.seconds(1)
    /// How many times bytes have been flushed. Each flush would be a system call.
    package private(set) var flushes = 0

    // Input
    private var arrived = ByteBuffer()
    /// The number of bytes that are on their way here, or have arrived and have not been read.
    private var unread = 0
    private var endHasArrived = false
    private var endIsReported = false
    private var resetHasArrived = false
    package private(set) var isReading = true
    private var readIsDue = false
    private var isInsideRead = false

    /// Whether everything that this end sends is lost.
    private var isCut = false
    /// Whether TCP's retransmission timeout is running.
    private var isRetransmitting = false

    /// How long Linux retransmits bytes before it considers a connection lost (`tcp_retries2`).
    package static let retransmissionTimeout = Duration.seconds(924)

    init(_ network: SimulatedNetwork, _ link: SimulatedLink, _ marks: BufferLimits.Marks) {
        self.network = network
        self.link = link
        self.marks = marks
    }

    /// Connects two ends to each other.
    static func join(_ one: SimulatedTransport, _ other: SimulatedTransport) {
        one.peer = other
        other.peer = one
    }

    /// Attaches the user that reads and writes here.
    package func begin(_ user: any StreamUser) {
        self.user = user
        hasBegun = true
        readSoon()
    }

    /// Whether the socket is open, or no user has been attached yet.
    package var isOpen: Bool { user != nil || !hasBegun }

    // MARK: Output

    package func write(_ block: OutputBlock) {
        write(lent: block.bytes)
        block.deallocate()
    }

    package func write(_ payload: ByteBuffer) {
        payload.withUnsafeReadableBytes { write(lent: $0) }
    }

    package func write(lent bytes: UnsafeRawBufferPointer) {
        guard user != nil, !endsOutput, !outputIsBroken else {
            dropped += bytes.count
            return
        }
        pending.writeBytes(bytes)
        if pending.readableBytes > marks.high { isWritable = false }
    }

    package func flush() {
        guard pending.readableBytes > 0 else { return }
        flushed = pending.readableBytes
        flushes += 1
        push()
        if link.readsInsideFlush, !isInsideRead { readNow() }
    }

    /// Moves flushed bytes into the network, as far as there is room.
    private func push() {
        if writesFail, flushed > 0 { return breakOutput() }
        while flushed > 0, !pushIsDue, let peer, peer.unread < link.socketBuffer {
            let count = size(link.writeSize, min(flushed, link.socketBuffer - peer.unread))
            guard let bytes = pending.readSlice(length: count) else { break }
            flushed -= count
            peer.unread += count
            send { $0.arrive(bytes) }
            if case .all = link.writeSize { continue }
            pushSoon()
        }
        if pending.readableBytes == 0 { pending.clear() }
        if !isWritable, user != nil, pending.readableBytes < marks.low {
            isWritable = true
            user?.outputDrained()
        }
        if pending.readableBytes == 0, endsOutput { endOutput() }
        if pending.readableBytes == 0, closesAfterOutput { end() }
    }

    /// Continues to push later, because the socket has accepted only a part.
    private func pushSoon() {
        pushIsDue = true
        network.execute { [weak self] in
            self?.pushIsDue = false
            self?.push()
        }
    }

    package var pendingBytes: Int { waitingBytes + dropped }

    /// The number of bytes that have been written here and that wait until the network accepts them.
    package var waitingBytes: Int { pending.readableBytes }

    private func dropOutput() {
        dropped += pending.readableBytes
        pending.clear()
        flushed = 0
    }

    private func send(_ what: @escaping @Sendable (SimulatedTransport) -> Void) {
        guard !isCut else {
            guard !isRetransmitting else { return }
            isRetransmitting = true
            return network.execute(after: SimulatedTransport.retransmissionTimeout) { [weak self] in
                self?.fail("the connection timed out")
            }
        }
        network.execute(after: link.latency) { [weak peer] in if let peer { what(peer) } }
    }

    private func endOutput() {
        guard !outputHasEnded else { return }
        outputHasEnded = true
        send { $0.arriveEnd() }
        if endIsReported { end() }
    }

    /// Handles a failed write.
    private func breakOutput() {
        guard !outputIsBroken else { return }
        outputIsBroken = true
        dropOutput()
        isWritable = false
        if closesAfterOutput { return end() }
        if resetHasArrived { return }
        if link.failedWriteEnds || !isReading || endIsReported { return failSoon() }
        network.execute(after: SimulatedTransport.brokenOutputTimeout) { [weak self] in self?.failNow() }
    }

    /// Reports later that nothing more can be written, so that the report does not happen during a call of the
    /// connection.
    private func failSoon() {
        network.execute { [weak self] in self?.failNow() }
    }

    private func failNow() {
        fail("the peer no longer accepts bytes")
    }

    // MARK: Input

    private func arrive(_ bytes: ByteBuffer) {
        // A closed socket responds with a reset.
        guard isOpen else { return send { $0.arriveReset() } }
        arrived.writeImmutableBuffer(bytes)
        readSoon()
    }

    private func arriveEnd() {
        endHasArrived = true
        readSoon()
    }

    private func arriveReset() {
        if link.resetDropsInput, hasBegun { return fail("the peer reset the connection") }
        resetHasArrived = true
        writesFail = true
        readSoon()
    }

    private func fail(_ reason: String) {
        guard let user else { return }
        arrived.clear()
        isWritable = false
        user.failed(reason, nil)
        end()
    }

    /// Whether a read would return bytes, an end or a reset. A reset is reported even if reading is paused.
    private var isReadable: Bool {
        user != nil
            && (resetHasArrived || isReading && (arrived.readableBytes > 0 || endHasArrived && !endIsReported))
    }

    private func readSoon() {
        guard !readIsDue, isReadable else { return }
        readIsDue = true
        network.execute {
            self.readIsDue = false
            self.readNow()
        }
    }

    private func readNow() {
        guard isReadable, let user else { return }
        isInsideRead = true
        if isReading, arrived.readableBytes > 0 {
            read(user)
        } else if resetHasArrived {
            fail("the peer reset the connection")
        } else {
            endIsReported = true
            user.inputEnded()
            // Both directions have ended, so the socket is closed.
            if outputHasEnded { end() }
        }
        isInsideRead = false
        readSoon()
    }

    private func read(_ user: any StreamUser) {
        let count = size(link.readSize, arrived.readableBytes)
        if link.receivesDirectly, let connection = user as? Connection, connection.isInsideLargeFrame,
            let window = connection.directWindow(for: count), window.count > 0
        {
            let part = min(count, window.count)
            take(part, to: window)
            return connection.received(UnsafeMutableRawBufferPointer(rebasing: window[..<part]))
        }
        // A block of exactly this size, overwritten after use, exposes reads past its end or after the call.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        take(count, to: memory)
        user.received(memory)
        memory.initializeMemory(as: UInt8.self, repeating: 0xDD)
        memory.deallocate()
    }

    private func take(_ count: Int, to memory: UnsafeMutableRawBufferPointer) {
        arrived.readWithUnsafeReadableBytes { bytes in
            memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
            return count
        }
        if arrived.readableBytes == 0 { arrived.clear() }
        unread -= count
        peer?.makeRoom(link.latency)
    }

    private func size(_ size: SimulatedLink.Size, _ available: Int) -> Int {
        switch size {
        case .all: available
        case .atMost(let most): min(available, most)
        case .random(let most): min(available, Int.random(in: 1...most, using: &network.random))
        }
    }

    private func makeRoom(_ latency: Duration) {
        network.execute(after: latency) { [weak self] in self?.push() }
    }

    package func setOutboundMarks(_ marks: BufferLimits.Marks) {
        self.marks = marks
    }

    package func setReading(_ reads: Bool) {
        isReading = reads
        readSoon()
        // While nothing is read, nothing else would report the failed write.
        if !reads, outputIsBroken { failSoon() }
    }

    // MARK: The end

    package func shutdownOutput() {
        guard user != nil, !endsOutput else { return }
        endsOutput = true
        if pending.readableBytes == 0 { endOutput() }
    }

    package func close() {
        guard user != nil else { return }
        closesAfterOutput = true
        if pending.readableBytes == 0 { end() }
    }

    package func abort() {
        end()
    }

    /// Closes the socket. If there are unread bytes, the peer gets a reset.
    private func end() {
        guard let user else { return }
        isWritable = false
        self.user = nil
        isReading = false
        dropOutput()
        if arrived.readableBytes > 0 {
            send { $0.arriveReset() }
        } else if !outputHasEnded {
            outputHasEnded = true
            send { $0.arriveEnd() }
        }
        arrived.clear()
        if link.endsLate {
            nonisolated(unsafe) let user = user
            network.execute { user.terminated() }
        } else {
            user.terminated()
        }
    }

    // MARK: Faults

    /// Loses everything that this end sends from now on, as if the cable were cut.
    package func cut() {
        isCut = true
    }

    /// Receives a reset that neither end has sent, as from a middlebox.
    package func receiveReset() {
        arriveReset()
    }

    /// Ends TCP with a reset, as when the process dies.
    package func reset() {
        arrived.writeInteger(0 as UInt8)
        end()
    }

    /// Makes every write fail from now on, as when the peer no longer accepts bytes.
    package func failWrites() {
        writesFail = true
        if flushed > 0 { network.execute { [weak self] in self?.push() } }
    }

    /// Ends the input, so that every write of the peer fails from now on, as `shutdown` with `SHUT_RD` does with a Unix
    /// domain socket. Bytes that have arrived can still be read.
    package func shutdownInput() {
        peer?.failWrites()
        arriveEnd()
    }
}
