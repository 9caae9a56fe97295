import LifelineCore
import NIOCore

@testable import Lifeline

/// How one side of a simulated TCP connection behaves.
struct SimulatedLink: Sendable {
    /// How many bytes a read brings.
    enum ReadSize: Sendable {
        /// All that are there.
        case all
        /// At most this many.
        case atMost(Int)
        /// A random number, at most this many.
        case random(Int)
    }

    /// How long everything is on its way.
    var latency: Duration = .zero
    /// What the network and the receiving socket hold of what one side has written.
    var socketBuffer = 64 << 10
    /// How many bytes a read brings.
    var readSize = ReadSize.all
}

/// One end of a simulated TCP connection: a third engine behind the seam.
///
/// It behaves as a socket does: what the peer does not read fills its socket's buffer, then the network, then this side,
/// until this side is no longer writable.
final class SimulatedTransport: Transport, @unchecked Sendable {
    private let network: SimulatedNetwork
    private let link: SimulatedLink
    private let marks: BufferLimits.Marks
    /// Who reads and writes here; `nil` once TCP has ended.
    private(set) var user: (any StreamUser)?
    private weak var peer: SimulatedTransport?

    // Output
    private var pending = ByteBuffer()
    private var flushed = 0
    private(set) var isWritable = true {
        didSet { user?.writabilityChanged(to: isWritable) }
    }
    private var endsOutput = false
    private var closesAfterOutput = false
    private var outputHasEnded = false
    /// How often bytes have been pushed out: each would have been a system call.
    private(set) var flushes = 0

    // Input
    private var arrived = ByteBuffer()
    /// The bytes on their way here, and those that arrived and have not been read.
    private var unread = 0
    private var endHasArrived = false
    private var endIsReported = false
    private(set) var isReading = true
    private var readIsDue = false

    /// Whether everything this side sends is lost.
    private var isCut = false
    /// Whether the time runs after which TCP gives up what is not acknowledged.
    private var isRetransmitting = false

    /// How long Linux sends the same bytes again and again before it takes a connection for lost (`tcp_retries2`).
    static let retransmissionTimeout = Duration.seconds(924)

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
    func begin(_ user: any StreamUser) {
        self.user = user
    }

    // MARK: Output

    func write(_ block: OutputBlock) {
        write(lent: block.bytes)
        block.deallocate()
    }

    func write(_ payload: ByteBuffer) {
        payload.withUnsafeReadableBytes { write(lent: $0) }
    }

    func write(lent bytes: UnsafeRawBufferPointer) {
        guard user != nil, !endsOutput else { return }
        pending.writeBytes(bytes)
        if pending.readableBytes > marks.high { isWritable = false }
    }

    func flush() {
        guard pending.readableBytes > 0 else { return }
        flushed = pending.readableBytes
        flushes += 1
        push()
    }

    /// Moves what has been flushed into the network, as far as there is room.
    private func push() {
        while flushed > 0, let peer, peer.unread < link.socketBuffer {
            let count = min(flushed, link.socketBuffer - peer.unread)
            guard let bytes = pending.readSlice(length: count) else { break }
            flushed -= count
            peer.unread += count
            send { $0.arrive(bytes) }
        }
        if pending.readableBytes == 0 { pending.clear() }
        if !isWritable, user != nil, pending.readableBytes < marks.low {
            isWritable = true
            user?.outputDrained()
        }
        if pending.readableBytes == 0, endsOutput { endOutput() }
        if pending.readableBytes == 0, closesAfterOutput { end() }
    }

    /// The bytes that have been written here and that the network has not taken.
    var pendingBytes: Int { pending.readableBytes }

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

    // MARK: Input

    private func arrive(_ bytes: ByteBuffer) {
        // A socket that is closed answers with a reset.
        guard user != nil else { return send { $0.arriveReset() } }
        arrived.writeImmutableBuffer(bytes)
        readSoon()
    }

    private func arriveEnd() {
        endHasArrived = true
        readSoon()
    }

    private func arriveReset() {
        fail("the peer reset the connection")
    }

    private func fail(_ reason: String) {
        guard let user else { return }
        arrived.clear()
        isWritable = false
        user.failed(reason, nil)
        end()
    }

    private func readSoon() {
        guard isReading, !readIsDue, user != nil else { return }
        guard arrived.readableBytes > 0 || endHasArrived && !endIsReported else { return }
        readIsDue = true
        network.execute { self.read() }
    }

    private func read() {
        readIsDue = false
        guard isReading, let user else { return }
        if arrived.readableBytes > 0 {
            let count = nextReadSize(arrived.readableBytes)
            // A block of just this size, spoiled after use: nobody may read past it, or later.
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
            arrived.readWithUnsafeReadableBytes { bytes in
                memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
                return count
            }
            if arrived.readableBytes == 0 { arrived.clear() }
            unread -= count
            peer?.makeRoom(link.latency)
            user.received(memory)
            memory.initializeMemory(as: UInt8.self, repeating: 0xDD)
            memory.deallocate()
        } else if endHasArrived, !endIsReported {
            endIsReported = true
            user.inputEnded()
            // A socket whose both directions have ended is closed.
            if outputHasEnded { end() }
        }
        readSoon()
    }

    private func nextReadSize(_ available: Int) -> Int {
        switch link.readSize {
        case .all: available
        case .atMost(let most): min(available, most)
        case .random(let most): min(available, Int.random(in: 1...most, using: &network.random))
        }
    }

    private func makeRoom(_ latency: Duration) {
        network.execute(after: latency) { [weak self] in self?.push() }
    }

    func setReading(_ reads: Bool) {
        isReading = reads
        readSoon()
    }

    // MARK: The end

    func shutdownOutput() {
        guard user != nil, !endsOutput else { return }
        endsOutput = true
        if pending.readableBytes == 0 { endOutput() }
    }

    func close() {
        guard user != nil else { return }
        closesAfterOutput = true
        if pending.readableBytes == 0 { end() }
    }

    func abort() {
        end()
    }

    /// From here on everything this side sends is lost, as behind a cable that was cut.
    func cut() {
        isCut = true
    }

    /// Ends TCP with a reset: the process has died, or a middlebox has lost patience.
    func reset() {
        arrived.writeInteger(0 as UInt8)
        end()
    }

    /// Closes the socket. Bytes that were not read make that a reset.
    private func end() {
        guard let user else { return }
        self.user = nil
        isWritable = false
        isReading = false
        pending.clear()
        if arrived.readableBytes > 0 {
            send { $0.arriveReset() }
        } else if !outputHasEnded {
            outputHasEnded = true
            send { $0.arriveEnd() }
        }
        arrived.clear()
        user.terminated()
    }
}
