package import Lifeline
import LifelineCore
package import NIOCore

/// One end of a simulated TCP connection.
///
/// It behaves as a socket does: what the peer does not read fills its socket's buffer, then the network, then this side,
/// until this side is no longer writable. Whatever can befall a socket can be brought about: ``reset()``,
/// ``cut()``, ``failWrites()``, a peer that does not read (``setReading(_:)``), and what ``SimulatedLink`` says.
///
/// `@unchecked Sendable`: it is used on the simulation's thread alone.
package final class SimulatedTransport: Transport, @unchecked Sendable {
    private let network: SimulatedNetwork
    private let link: SimulatedLink
    private let marks: BufferLimits.Marks
    /// Who reads and writes here; `nil` once TCP has ended.
    package private(set) var user: (any StreamUser)?
    private weak var peer: SimulatedTransport?
    /// Whether somebody has taken the socket; until then what arrives waits in it.
    private var hasBegun = false

    // Output
    private var pending = ByteBuffer()
    private var flushed = 0
    package private(set) var isWritable = true {
        didSet { user?.writabilityChanged(to: isWritable) }
    }
    private var endsOutput = false
    private var closesAfterOutput = false
    private var outputHasEnded = false
    private var pushIsDue = false
    /// Whether writes fail from now on, and whether one has.
    private var writesFail = false
    /// Whether nothing can be written any more. The connection is told at once where nothing is read, and otherwise within
    /// ``brokenOutputTimeout``.
    package private(set) var outputIsBroken = false
    /// How long reading goes on once nothing can be written any more.
    package static let brokenOutputTimeout = Duration.seconds(1)
    /// How often bytes have been pushed out: each would have been a system call.
    package private(set) var flushes = 0

    // Input
    private var arrived = ByteBuffer()
    /// The bytes on their way here, and those that arrived and have not been read.
    private var unread = 0
    private var endHasArrived = false
    private var endIsReported = false
    private var resetHasArrived = false
    package private(set) var isReading = true
    private var readIsDue = false
    private var isInsideRead = false

    /// Whether everything this side sends is lost.
    private var isCut = false
    /// Whether the time runs after which TCP gives up what is not acknowledged.
    private var isRetransmitting = false

    /// How long Linux sends the same bytes again and again before it takes a connection for lost (`tcp_retries2`).
    package static let retransmissionTimeout = Duration.seconds(924)

    init(_ network: SimulatedNetwork, _ link: SimulatedLink, _ marks: BufferLimits.Marks) {
        self.network = network
        self.link = link
        self.marks = marks
    }

    /// Lays a cable between two ends.
    static func join(_ one: SimulatedTransport, _ other: SimulatedTransport) {
        one.peer = other
        other.peer = one
    }

    /// Gives the end to who reads and writes here.
    package func begin(_ user: any StreamUser) {
        self.user = user
        hasBegun = true
        readSoon()
    }

    /// Whether the socket is open, or has not been taken yet.
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
        guard user != nil, !endsOutput, !outputIsBroken else { return }
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

    /// Moves what has been flushed into the network, as far as there is room.
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

    /// The socket has taken a part, and takes more in its own time.
    private func pushSoon() {
        pushIsDue = true
        network.execute { [weak self] in
            self?.pushIsDue = false
            self?.push()
        }
    }

    /// The bytes that have been written here and that the network has not taken.
    package var pendingBytes: Int { pending.readableBytes }

    private func send(_ what: @escaping @Sendable (SimulatedTransport) -> Void) {
        guard !isCut else {
            guard !isRetransmitting else { return }
            isRetransmitting = true
            return network.execute(after: SimulatedTransport.retransmissionTimeout) { [weak self] in
                self?.fail("the network timed out")
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

    /// A write has failed.
    private func breakOutput() {
        guard !outputIsBroken else { return }
        outputIsBroken = true
        pending.clear()
        flushed = 0
        isWritable = false
        if closesAfterOutput { return end() }
        if resetHasArrived { return }
        if link.failedWriteEnds || !isReading || endIsReported { return failSoon() }
        network.execute(after: SimulatedTransport.brokenOutputTimeout) { [weak self] in self?.failNow() }
    }

    /// Tells the connection that nothing can be written any more; not from inside its own call.
    private func failSoon() {
        network.execute { [weak self] in self?.failNow() }
    }

    private func failNow() {
        fail("the peer no longer takes bytes")
    }

    // MARK: Input

    private func arrive(_ bytes: ByteBuffer) {
        // A socket that is closed answers with a reset.
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

    /// Whether a read would bring something. A reset is reported whether or not anybody wants to read.
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
        if arrived.readableBytes > 0 {
            read(user)
        } else if resetHasArrived {
            fail("the peer reset the connection")
        } else {
            endIsReported = true
            user.inputEnded()
            // A socket whose both directions have ended is closed.
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
        // A block of just this size, spoiled after use: nobody may read past it, or later.
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

    package func setReading(_ reads: Bool) {
        isReading = reads
        readSoon()
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

    /// Closes the socket. Bytes that were not read make that a reset.
    private func end() {
        guard let user else { return }
        isWritable = false
        self.user = nil
        isReading = false
        pending.clear()
        flushed = 0
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

    /// From here on everything this side sends is lost, as behind a cable that was cut.
    package func cut() {
        isCut = true
    }

    /// Ends TCP with a reset: the process has died, or a middlebox has lost patience.
    package func reset() {
        arrived.writeInteger(0 as UInt8)
        end()
    }

    /// From here on every write fails, as behind a peer that takes nothing any more.
    package func failWrites() {
        writesFail = true
        if flushed > 0 { network.execute { [weak self] in self?.push() } }
    }
}
