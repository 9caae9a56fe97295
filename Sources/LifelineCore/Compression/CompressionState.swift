/// The state of permessage-deflate on a connection that has agreed on it.
///
/// It holds no stream before the first compressed message and, between messages, for a direction that keeps no window. A direction that
/// keeps its window holds a stream while the connection is in use, and only the bytes of the window while it is idle.
final class CompressionState {
    /// What was agreed.
    let agreement: PerMessageDeflate
    let settings: CompressionConfiguration
    private let memory: MemoryPool

    @exclusivity(unchecked) private var sending: CompressionDirection<DeflateStream>
    @exclusivity(unchecked) private var receiving: CompressionDirection<InflateStream>

    /// Whether the message that is being sent in fragments is compressed.
    @exclusivity(unchecked) var isSendingCompressed = false
    /// Whether the tail of the last fragment has not been sent. The next fragment begins with it; the last one omits it.
    @exclusivity(unchecked) var owesTail = false

    /// The bytes that the current message has inflated to so far.
    @exclusivity(unchecked) var messageSize = 0
    /// The bytes that the current frame has inflated to so far.
    @exclusivity(unchecked) var frameSize = 0
    /// The bytes of the current message on the wire so far.
    @exclusivity(unchecked) var messageWireSize = 0
    /// How many bytes at the beginning of the input the decompressor has used already.
    @exclusivity(unchecked) var usedAhead = 0
    /// Whether the last byte read ended a block that is marked as the last one.
    @exclusivity(unchecked) var endsWithFinalBlock = false

    /// When to check whether the connection is idle; set while a stream that keeps its window may have to be released.
    @exclusivity(unchecked) private(set) var idleDeadline: MonotonicInstant?
    @exclusivity(unchecked) private var lastUse = MonotonicInstant(nanoseconds: 0)

    @exclusivity(unchecked) var statistics = CompressionStatistics()
    /// Whether everything has been released for good.
    @exclusivity(unchecked) private var isReleased = false

    init(_ agreement: PerMessageDeflate, _ settings: CompressionConfiguration, role: WebSocketRole, memory: MemoryPool?)
    {
        let memory = memory ?? MemoryPool()
        self.agreement = agreement
        self.settings = settings
        self.memory = memory
        sending = CompressionDirection(
            CompressorKind(
                windowBits: agreement.maxWindowBits(role), level: settings.level, memoryLevel: settings.memoryLevel),
            keepsWindow: !agreement.noContextTakeover(role), memory: memory, budget: settings.budget)
        receiving = CompressionDirection(
            agreement.maxWindowBits(role.peer), keepsWindow: !agreement.noContextTakeover(role.peer), memory: memory,
            budget: settings.budget)
    }

    deinit {
        release()
    }

    /// Returns everything that is held from the loop's pool and the budget, for good. Nothing is compressed or decompressed any more.
    /// The statistics remain.
    func release() {
        isReleased = true
        sending.dropStream()
        sending.dropWindow()
        receiving.dropStream()
        receiving.dropWindow()
        idleDeadline = nil
    }

    /// The parameters of this side's compressor.
    var sendKind: CompressorKind { sending.kind }

    /// Takes a compressor with an empty window from the pool; `nil` if the budget is exhausted.
    func takeSpareCompressor() -> DeflateStream? {
        isReleased ? nil : memory.take(sendKind, settings.budget)
    }

    /// Returns a compressor to the pool.
    func giveSpareCompressor(_ compressor: DeflateStream) {
        memory.give(compressor, sendKind, settings.budget)
    }

    /// The bytes of the streams and windows that this connection holds.
    var size: Int { sending.size + receiving.size }

    /// Returns an empty store for compressed bytes.
    func makeStore() -> ByteStore { ByteStore(pool: memory) }

    // MARK: Sending

    /// Counts a message, or a fragment, that is sent compressed.
    func noteSent(_ size: Int, wireSize: Int) {
        statistics.sentBytes.addSaturating(size)
        statistics.sentWireBytes.addSaturating(wireSize)
    }

    /// Returns the compressor, with the window of the messages before if that is kept; `nil` if the budget is exhausted.
    func useCompressor(at now: MonotonicInstant) -> DeflateStream? {
        noteUse(at: now)
        return isReleased ? nil : sending.use()
    }

    /// Notes that a message has been compressed to its end.
    func endSending() {
        isSendingCompressed = false
        owesTail = false
        sending.endMessage()
    }

    /// Begins with an empty window: what was compressed last is not sent, so the peer's window lacks it.
    func discardSent() {
        endSending()
        sending.dropStream()
    }

    /// Advances the window past a message that was compressed once for many connections.
    func noteSentPrepared(_ plain: UnsafeRawBufferPointer) {
        guard sending.keepsWindow else { return }
        if let compressor = sending.stream {
            compressor.skip(plain)
        } else {
            // An empty window is valid too, and needs no memory.
            sending.dropWindow()
        }
    }

    // MARK: Receiving

    /// Returns the decompressor, with the window of the messages before if that is kept; `nil` if the system has no memory.
    func useDecompressor(at now: MonotonicInstant) -> InflateStream? {
        noteUse(at: now)
        return isReleased ? nil : receiving.use()
    }

    /// Notes that a message has been read to its end.
    func endReceiving() {
        statistics.receivedBytes.addSaturating(messageSize)
        statistics.receivedWireBytes.addSaturating(messageWireSize)
        messageSize = 0
        frameSize = 0
        messageWireSize = 0
        endsWithFinalBlock = false
        receiving.endMessage()
    }

    /// Whether a message is being received.
    private var isReceiving: Bool { messageWireSize + usedAhead > 0 }

    // MARK: Idleness

    private func noteUse(at now: MonotonicInstant) {
        lastUse = now
        guard idleDeadline == nil, !isReleased, sending.keepsWindow || receiving.keepsWindow else { return }
        idleDeadline = now.advanced(by: settings.idleTimeout)
    }

    /// Keeps only the windows if the connection has been idle for long enough.
    func advance(to now: MonotonicInstant) {
        guard let deadline = idleDeadline, now >= deadline else { return }
        let next = lastUse.advanced(by: settings.idleTimeout)
        guard next <= now, !isSendingCompressed, !isReceiving else {
            idleDeadline = next > now ? next : now.advanced(by: settings.idleTimeout)
            return
        }
        idleDeadline = nil
        sending.park()
        receiving.park()
    }
}

/// Whether compression is unlikely to shorten the bytes, because they are encrypted or compressed.
///
/// In such bytes, all values are about equally frequent. A sample of a kibibyte decides; in doubt the answer is no.
func looksIncompressible(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let sample = 1024
    guard bytes.count >= sample else { return false }
    let stride = bytes.count / sample
    return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
        counts.initialize(repeating: 0)
        for index in 0..<sample { counts[Int(bytes[index * stride])] += 1 }
        // For evenly distributed bytes the average is sample + sample² / 256. For text it is ten times as much, for base64 four times.
        let squares = counts.reduce(0) { $0 + Int($1) * Int($1) }
        return squares < (sample + sample * sample / 256) * 5 / 4
    }
}
