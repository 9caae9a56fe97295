/// What a connection that has agreed on permessage-deflate keeps of it.
///
/// Nothing but this record, before the first compressed message, and, between messages, for a direction that keeps no window.
/// A direction that does keeps its compressor or decompressor while it is in use, and the bytes of its window alone once
/// the connection has been idle.
final class CompressionState {
    /// What was agreed on.
    let agreement: PerMessageDeflate
    let settings: CompressionConfiguration
    private let memory: MemoryPool

    let sendKind: CompressorKind
    let keepsSendWindow: Bool
    private let receiveWindowBits: Int
    private let keepsReceiveWindow: Bool

    @exclusivity(unchecked) private var compressor: DeflateStream?
    @exclusivity(unchecked) private var decompressor: InflateStream?
    /// The windows of an idle connection.
    @exclusivity(unchecked) private var sendWindow: [UInt8] = []
    @exclusivity(unchecked) private var receiveWindow: [UInt8] = []

    /// Whether the message that is being sent in fragments is compressed.
    @exclusivity(unchecked) var isSendingCompressed = false
    /// Whether the tail of the fragment before has not been sent: the next one begins with it, the last one omits it.
    @exclusivity(unchecked) var owesTail = false

    /// The bytes that the message which is being received has given so far.
    @exclusivity(unchecked) var messageSize = 0
    /// The bytes that the frame which is being received has given so far.
    @exclusivity(unchecked) var frameSize = 0
    /// Its bytes on the wire so far.
    @exclusivity(unchecked) var messageWireSize = 0
    /// How many bytes at the beginning of the input the decompressor has used already.
    @exclusivity(unchecked) var usedAhead = 0
    /// Whether the last thing read was the end of a block that says it is the last one.
    @exclusivity(unchecked) var endsWithFinalBlock = false

    /// When it is looked whether the connection is idle; set while there is something to give back then.
    @exclusivity(unchecked) private(set) var idleDeadline: MonotonicInstant?
    @exclusivity(unchecked) private var lastUse = MonotonicInstant(nanoseconds: 0)

    @exclusivity(unchecked) var statistics = CompressionStatistics()
    /// Whether everything has been given back for good.
    @exclusivity(unchecked) private var isReleased = false

    init(_ agreement: PerMessageDeflate, _ settings: CompressionConfiguration, role: WebSocketRole, memory: MemoryPool?)
    {
        self.agreement = agreement
        self.settings = settings
        self.memory = memory ?? MemoryPool()
        sendKind = CompressorKind(
            windowBits: agreement.maxWindowBits(role), level: settings.level, memoryLevel: settings.memoryLevel)
        keepsSendWindow = !agreement.noContextTakeover(role)
        receiveWindowBits = agreement.maxWindowBits(role.peer)
        keepsReceiveWindow = !agreement.noContextTakeover(role.peer)
    }

    deinit {
        release()
    }

    /// Gives back all that is held of the loop's and of the budget, for good: nothing is compressed or decompressed any more.
    /// The statistics stay.
    func release() {
        isReleased = true
        giveCompressor()
        giveDecompressor()
        settings.budget.give(sendWindow.count + receiveWindow.count)
        sendWindow = []
        receiveWindow = []
        idleDeadline = nil
    }

    /// A compressor with an empty window; `nil` where the budget has no room.
    func takeSpareCompressor() -> DeflateStream? {
        isReleased ? nil : memory.takeCompressor(sendKind, settings.budget)
    }

    func giveSpare(_ compressor: DeflateStream) {
        memory.give(compressor, sendKind, settings.budget)
    }

    private func giveCompressor() {
        if let stream = compressor.take() { giveSpare(stream) }
    }

    private func giveDecompressor() {
        guard let stream = decompressor.take() else { return }
        memory.give(stream, receiveWindowBits, settings.budget)
    }

    /// The bytes of the streams and windows that are the connection's own.
    var size: Int { (compressor?.size ?? 0) + (decompressor?.size ?? 0) + sendWindow.count + receiveWindow.count }

    /// Memory to put together what is compressed and decompressed.
    func store() -> ByteStore { ByteStore(pool: memory) }

    // MARK: Sending

    /// Counts what was sent compressed.
    func noteSent(_ size: Int, wireSize: Int) {
        statistics.sentBytes.addSaturating(size)
        statistics.sentWireBytes.addSaturating(wireSize)
    }

    /// The compressor, with the window of the messages before where that is kept; `nil` where the budget has no room.
    func takeCompressor(at now: MonotonicInstant) -> DeflateStream? {
        noteUse(at: now)
        if let compressor { return compressor }
        guard let made = takeSpareCompressor() else { return nil }
        if !sendWindow.isEmpty {
            sendWindow.withUnsafeBytes { made.skip($0) }
            settings.budget.give(sendWindow.count)
            sendWindow = []
        }
        compressor = made
        return made
    }

    /// Notes that a message has been compressed to its end.
    func endSending() {
        isSendingCompressed = false
        owesTail = false
        if !keepsSendWindow { giveCompressor() }
    }

    /// Begins anew: what was compressed last is not sent, so that the peer's window lacks it.
    func forgetSent() {
        endSending()
        giveCompressor()
    }

    /// Moves the window on by a message that was compressed elsewhere, from an empty window.
    func noteSentElsewhere(_ plain: UnsafeRawBufferPointer) {
        guard keepsSendWindow else { return }
        if let compressor {
            compressor.skip(plain)
        } else if !sendWindow.isEmpty {
            // An empty window is as right as any, and needs no memory.
            settings.budget.give(sendWindow.count)
            sendWindow = []
        }
    }

    // MARK: Receiving

    /// The decompressor, with the window of the messages before where that is kept; `nil` where the system has no memory.
    func takeDecompressor(at now: MonotonicInstant) -> InflateStream? {
        noteUse(at: now)
        if let decompressor { return decompressor }
        guard !isReleased, let made = memory.takeDecompressor(receiveWindowBits, settings.budget) else { return nil }
        if !receiveWindow.isEmpty {
            made.restore(receiveWindow)
            settings.budget.give(receiveWindow.count)
            receiveWindow = []
        }
        decompressor = made
        return made
    }

    /// Notes that a message has been read to its end.
    func endReceiving() {
        statistics.receivedBytes.addSaturating(messageSize)
        statistics.receivedWireBytes.addSaturating(messageWireSize)
        messageSize = 0
        frameSize = 0
        messageWireSize = 0
        endsWithFinalBlock = false
        if !keepsReceiveWindow { giveDecompressor() }
    }

    /// Whether a message is being received.
    private var isReceiving: Bool { messageWireSize + usedAhead > 0 }

    // MARK: Idleness

    private func noteUse(at now: MonotonicInstant) {
        lastUse = now
        guard idleDeadline == nil, !isReleased, keepsSendWindow || keepsReceiveWindow else { return }
        idleDeadline = now.advanced(by: settings.idleTimeout)
    }

    /// Keeps only the windows, where the connection has been idle for long enough.
    func advance(to now: MonotonicInstant) {
        guard let deadline = idleDeadline, now >= deadline else { return }
        let next = lastUse.advanced(by: settings.idleTimeout)
        guard next <= now, !isSendingCompressed, !isReceiving else {
            idleDeadline = next > now ? next : now.advanced(by: settings.idleTimeout)
            return
        }
        idleDeadline = nil
        if let compressor {
            sendWindow = compressor.window
            settings.budget.take(sendWindow.count)
            giveCompressor()
        }
        if let decompressor {
            receiveWindow = decompressor.window
            settings.budget.take(receiveWindow.count)
            giveDecompressor()
        }
    }
}

/// Whether bytes look as if compressing them were in vain: encrypted, or compressed before.
///
/// Each value of a byte is about as frequent as any other then. It is judged from a kibibyte of them, and in doubt the answer
/// is no.
func looksIncompressible(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let sample = 1024
    guard bytes.count >= sample else { return false }
    let stride = bytes.count / sample
    return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
        counts.initialize(repeating: 0)
        for index in 0..<sample { counts[Int(bytes[index * stride])] += 1 }
        // Of evenly spread bytes, sample + sample² / 256 on average; text gives ten times as much, base64 four times.
        let squares = counts.reduce(0) { $0 + Int($1) * Int($1) }
        return squares < (sample + sample * sample / 256) * 5 / 4
    }
}
