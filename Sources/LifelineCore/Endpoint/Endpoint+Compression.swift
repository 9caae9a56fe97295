/// permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)): messages compressed and decompressed between
/// what the application sees and the frames.
extension Endpoint {
    /// What both sides have agreed on for compression, or `nil`.
    public var compressionAgreement: PerMessageDeflate? { compression?.agreement }

    /// What compression has saved so far; all zero where nothing has been compressed.
    public var compressionStatistics: CompressionStatistics { compression?.statistics ?? CompressionStatistics() }

    /// The bytes that this connection holds for compression, apart from what it shares with others: its compressor, its
    /// decompressor, and the windows that are kept in their place while it is idle.
    public var compressionMemory: Int { compression?.size ?? 0 }

    /// Begins to compress, as agreed, from the next message on.
    mutating func beginCompression(_ agreement: PerMessageDeflate) {
        guard let settings = configuration.compression else { return }
        compression = CompressionState(agreement, settings, role: role, memory: assembly.pool)
        reader.allowsCompression = true
    }

    // MARK: Sending

    /// Whether ``compress(_:_:_:at:)`` may have something to give.
    @inline(__always)
    package var compresses: Bool { compression != nil }

    /// Compresses a message, or the next fragment of one, to be sent in its place.
    ///
    /// - Parameters:
    ///   - payload: What is to be sent.
    ///   - position: Where it stands in its message. The first fragment decides for the whole message.
    ///   - choice: Whether the message is to be compressed; of no consequence but for its first frame.
    ///   - now: The time.
    /// - Returns: The frame's payload, which must be sent then, with `isCompressed` for its header; or `nil` where it is to be
    ///   sent as it is.
    public mutating func compress(
        _ payload: UnsafeRawBufferPointer, _ position: FragmentPosition, _ choice: MessageCompression, at now: Instant
    ) -> CompressedPayload? {
        let isFirst = position == .only || position == .first
        guard let state = compression, phase == .open, isFirst != isSendingFragments else { return nil }
        if isFirst {
            state.isSendingCompressed = state.isWorthwhile(payload, position, choice)
        }
        guard state.isSendingCompressed, let compressor = state.takeCompressor(at: now) else {
            // A message goes on as it began: its compressor is there already.
            state.isSendingCompressed = false
            return nil
        }
        var output = state.store()
        let isLast = position == .only || position == .last
        state.compress(payload, with: compressor, isLast: isLast, into: &output)
        if position == .only, choice != .always, output.count >= payload.count {
            state.forgetSent()
            return nil
        }
        state.statistics.sentBytes += payload.count
        state.statistics.sentWireBytes += output.count
        if isLast { state.endSending() }
        return CompressedPayload(store: output)
    }

    /// Notes that a whole message, compressed elsewhere from an empty window that is no larger than this side's, is sent.
    package mutating func noteSentCompressed(_ plain: UnsafeRawBufferPointer, wireSize: Int) {
        guard let state = compression else { return }
        state.statistics.sentBytes += plain.count
        state.statistics.sentWireBytes += wireSize
        state.noteSentElsewhere(plain)
    }

    /// What a message that is compressed for many connections has to be compressed for; `nil` where this one takes none.
    package var compressorKind: CompressorKind? { compression?.sendKind }

    /// Compresses a whole message from an empty window, for every connection of the same ``compressorKind`` to send.
    ///
    /// - Returns: The payload as it goes on the wire; `nil` where it is to be sent as it is.
    package func compressForMany(
        _ payload: UnsafeRawBufferPointer, _ choice: MessageCompression
    ) -> CompressedPayload? {
        guard let state = compression, state.isWorthwhile(payload, .only, choice),
            let output = state.compressAlone(payload)
        else { return nil }
        if choice != .always, output.count >= payload.count { return nil }
        return CompressedPayload(store: output)
    }

    // MARK: Receiving

    /// The most bytes that are handed out of a compressed message as one chunk.
    private var maximumChunkSize: Int { 64 << 10 }

    /// Takes what has come of a compressed message's frame.
    ///
    /// - Returns: An event, or `nil` where the frame, or the message, has to go on.
    mutating func receiveCompressed(
        _ input: inout ReadBuffer, at now: Instant
    ) throws(ProtocolViolation) -> Event? {
        let state = compression.unsafelyUnwrapped
        guard let decompressor = state.takeDecompressor(at: now) else { throw .noMemoryToDecompress }
        let kind = reader.messageKind.unsafelyUnwrapped
        let isWhole = delivery == .messages && !isInsideChunkedMessage

        let payload = reader.peekPayload(&input)
        var used = state.usedAhead
        used += try decompress(
            UnsafeRawBufferPointer(rebasing: payload[used...]), decompressor, state,
            upTo: isWhole ? .max : maximumChunkSize)
        // A chunk that is full may not be all that the payload gives: its last byte stays in the input until it is.
        let mayGiveMore = !isWhole && assembly.count >= maximumChunkSize && used == payload.count
        state.usedAhead = mayGiveMore && !payload.isEmpty ? 1 : 0
        used -= state.usedAhead
        state.messageWireSize += used
        reader.takePayload(used, &input)

        var endsMessage = false
        if !reader.isInsideFrame {
            endsMessage = reader.isFinal
            if endsMessage { try endMessage(decompressor, state) }
            state.frameSize = 0
        }
        if isWhole {
            guard endsMessage else {
                assembly.shrinkToFit()
                return nil
            }
            assemblyIsDelivered = true
            return .message(kind, UnsafeRawBufferPointer(assembly.bytes))
        }
        guard !assembly.isEmpty || endsMessage else { return nil }
        assemblyIsDelivered = true
        let isFirst = !isInsideChunkedMessage
        isInsideChunkedMessage = !endsMessage
        return .chunk(kind, UnsafeRawBufferPointer(assembly.bytes), isFirst: isFirst, isLast: endsMessage)
    }

    /// Reads, behind a message's last frame, the tail that the peer has omitted (§7.2.2).
    private mutating func endMessage(
        _ decompressor: InflateStream, _ state: CompressionState
    ) throws(ProtocolViolation) {
        // A message of no bytes at all has no block that the tail could end, nor has one whose last block was final and has
        // nothing behind it.
        if state.messageWireSize > 0, !state.endsWithFinalBlock {
            let size = state.messageSize
            _ = try withUnsafeBytes(of: DeflateStream.tail) { (tail) throws(ProtocolViolation) in
                try decompress(tail, decompressor, state, upTo: .max, stopsAtBlocks: true)
            }
            // It is the end of an empty block (§7.2.1). Where it gives bytes, it has completed something that was cut off.
            guard decompressor.isAtBlockEnd, state.messageSize == size else { throw .incompleteDeflate }
        }
        if reader.messageKind == .text, !validator.isAtBoundary { throw .invalidUTF8 }
        state.endReceiving()
        reader.endMessage()
    }

    /// Decompresses into the assembly, and checks what comes of it, until all of `input` has been used and has given what it
    /// gives, or there is as much as wanted.
    ///
    /// - Returns: How many bytes of `input` were used.
    private mutating func decompress(
        _ input: UnsafeRawBufferPointer, _ decompressor: InflateStream, _ state: CompressionState, upTo wanted: Int,
        stopsAtBlocks: Bool = false
    ) throws(ProtocolViolation) -> Int {
        var used = 0
        while assembly.count < wanted {
            let rest = UnsafeRawBufferPointer(rebasing: input[used...])
            let allowed = min(reader.maximumMessageSize - state.messageSize, reader.maximumFrameSize - state.frameSize)
            // One byte more than is allowed is enough to know that it is too many.
            let limit = min(allowed, .max - 1) + 1
            // A block of the pool's is at hand, and goes back with the message; what waits for more of it is moved.
            let wished = assembly.pool == nil ? max(1024, 4 * rest.count) : MemoryPool.minimumSize
            let space = assembly.reserve(min(limit, max(1024, wished - assembly.count)))
            let room = min(space.count, limit, wanted - assembly.count)
            let result = decompressor.decompress(
                rest, into: UnsafeMutableRawBufferPointer(rebasing: space[..<room]), stopsAtBlocks: stopsAtBlocks)
            used += result.used
            state.messageSize += result.written
            state.frameSize += result.written
            if result.written > 0 {
                // What comes first decides, so that it makes no difference where the bytes are split.
                if reader.messageKind == .text,
                    !validator.consume(space.baseAddress.unsafelyUnwrapped, count: min(result.written, allowed))
                {
                    throw .invalidUTF8
                }
                if result.written > allowed {
                    throw reader.violation(messageSize: state.messageSize, frameSize: state.frameSize)
                }
                assembly.noteAppended(result.written)
            }
            switch result.status {
            case .goesOn:
                if result.used > 0 { state.endsWithFinalBlock = false }
                // Room that was left over means that there is nothing more to come of what has been read.
                if used == input.count, result.written < room { return used }
            case .blockWasFinal:
                state.endsWithFinalBlock = true
                if used == input.count { return used }
            case .isCorrupt(let reason):
                throw .corruptDeflate(reason)
            }
        }
        return used
    }
}

/// A frame's payload, compressed.
public struct CompressedPayload: ~Copyable {
    private let store: ByteStore

    init(store: consuming ByteStore) {
        self.store = store
    }

    /// The number of bytes.
    public var count: Int { store.count }

    /// Calls a function with the bytes.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(store.bytes))
    }
}

extension CompressionState {
    /// Whether a message is to be compressed.
    fileprivate func isWorthwhile(
        _ payload: UnsafeRawBufferPointer, _ position: FragmentPosition, _ choice: MessageCompression
    ) -> Bool {
        switch choice {
        case .always: true
        case .never: false
        // How long a message in fragments will be, its first one does not tell.
        case .automatic:
            (position == .first || payload.count >= settings.minimumSize) && !looksIncompressible(payload)
        }
    }

    /// Compresses a whole message from an empty window; `nil` where the budget has no room for a compressor.
    fileprivate func compressAlone(_ payload: UnsafeRawBufferPointer) -> ByteStore? {
        guard let compressor = takeSpareCompressor() else { return nil }
        var output = store()
        compressor.compress(payload, into: &output)
        output.removeLast(DeflateStream.tailLength)
        giveSpare(compressor)
        return output
    }

    /// Compresses one frame's payload (§7.2.1).
    fileprivate func compress(
        _ payload: UnsafeRawBufferPointer, with compressor: DeflateStream, isLast: Bool, into output: inout ByteStore
    ) {
        if owesTail { output.append(DeflateStream.tail) }
        let before = output.count
        compressor.compress(payload, into: &output)
        if output.count > before {
            // The tail; the next fragment begins with it, and the last one does without.
            output.removeLast(DeflateStream.tailLength)
            owesTail = true
        } else if owesTail {
            // Nothing came of nothing: the last output ends with the tail, and that is still owed.
            output.removeLast(before)
        } else if isLast {
            // A message of no bytes: an empty stored block without its tail (§7.2.3.6).
            output.append(0 as UInt8)
        }
    }
}
