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
        _ payload: UnsafeRawBufferPointer, _ position: FragmentPosition, _ choice: MessageCompression,
        at now: MonotonicInstant
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
        state.noteSent(payload.count, wireSize: output.count)
        if isLast { state.endSending() }
        return CompressedPayload(store: output)
    }

    /// Notes that a whole message, compressed elsewhere from an empty window that is no larger than this side's, is sent.
    package mutating func noteSentCompressed(_ plain: UnsafeRawBufferPointer, wireSize: Int) {
        guard let state = compression else { return }
        state.noteSent(plain.count, wireSize: wireSize)
        state.noteSentElsewhere(plain)
    }

    /// What a message that is compressed for many connections has to be compressed for; `nil` where this one takes none.
    package var compressorKind: CompressorKind? { compression?.sendKind }

    /// Whether ``compressForMany(_:)`` is worth it for this connection.
    package func compressesForMany(_ payload: UnsafeRawBufferPointer, _ choice: MessageCompression) -> Bool {
        compression?.isWorthwhile(payload, .only, choice) ?? false
    }

    /// Compresses a whole message from an empty window, for every connection of the same ``compressorKind`` to send.
    ///
    /// - Returns: The payload as it goes on the wire, which may be longer than the message; `nil` where the budget has no room
    ///   for a compressor at this moment.
    package func compressForMany(_ payload: UnsafeRawBufferPointer) -> CompressedPayload? {
        guard let output = compression?.compressAlone(payload) else { return nil }
        return CompressedPayload(store: output)
    }

    // MARK: Receiving

    /// The most bytes that are handed out of a compressed message as one chunk.
    private var maximumChunkSize: Int { 64 << 10 }

    /// Takes what has come of a compressed message's frame.
    ///
    /// - Parameter allotment: What may still be done in this call. Once it is spent, what is left of the frame stays in the input.
    /// - Returns: An event, or `nil` where the frame, or the message, has to go on.
    mutating func receiveCompressed(
        _ input: inout ReadBuffer, _ allotment: inout Allotment, at now: MonotonicInstant
    ) throws(ProtocolViolation) -> Endpoint.Event? {
        let state = compression.unsafelyUnwrapped
        guard let decompressor = state.takeDecompressor(at: now) else { throw .noMemoryToDecompress }
        let kind = reader.messageKind.unsafelyUnwrapped
        let isWhole = delivery == .messages && !isInsideChunkedMessage

        let payload = reader.peekPayload(&input)
        // The byte that stands for what there is yet to give has not been passed in again.
        guard payload.count >= state.usedAhead else { return nil }
        let offered = UnsafeRawBufferPointer(rebasing: payload.prefix(state.usedAhead + allotment.compressed))
        // Where all of the message is there, or what there is goes out at once, memory is soon given back.
        let isAtHand = !isWhole || reader.isFinal && payload.count == reader.remaining
        let before = assembly.count
        let wanted = isWhole ? before.addingSaturating(allotment.inflated) : maximumChunkSize
        var used = state.usedAhead
        if !payload.isEmpty {
            used += try decompress(
                UnsafeRawBufferPointer(rebasing: offered[used...]), decompressor, state, upTo: wanted,
                isAtHand: isAtHand,
                &allotment.steps)
        }
        // Where there is as much as is wanted, it may not be all that the payload gives: its last byte stays in the input until
        // it is.
        let mayGiveMore = assembly.count >= wanted && used == payload.count
        let isUsedUp = !mayGiveMore && used == payload.count
        state.usedAhead = mayGiveMore && !payload.isEmpty ? 1 : 0
        used -= state.usedAhead
        state.messageWireSize += used
        reader.takePayload(used, &input)
        allotment.compressed -= used
        allotment.inflated -= assembly.count - before

        var endsMessage = false
        if !reader.isInsideFrame {
            endsMessage = reader.isFinal
            if endsMessage { try endMessage(decompressor, state) }
            state.frameSize = 0
        }
        if isWhole {
            guard endsMessage else {
                if isUsedUp { assembly.shrinkToFit() }
                return nil
            }
            assemblyIsDelivered = true
            return .message(kind, UnsafeRawBufferPointer(assembly.bytes))
        }
        guard !assembly.isEmpty || endsMessage else {
            if isUsedUp { assembly.shrinkToFit() }
            return nil
        }
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
            assembly.pool?.meter?.inflations += 1
            guard try decompressor.endsWithTail() else { throw .incompleteDeflate }
        }
        if reader.messageKind == .text, !validator.isAtBoundary { throw .invalidUTF8 }
        state.endReceiving()
        reader.endMessage()
    }

    /// Decompresses into the assembly, and checks what comes of it, until all of `input` has been used and has given what it
    /// gives, or there is as much as wanted.
    ///
    /// - Parameters:
    ///   - isAtHand: Whether the assembly will soon be handed out and forgotten. Otherwise it waits for more, and takes no more
    ///     memory than a few times what has arrived.
    ///   - steps: How many more final blocks are read.
    /// - Returns: How many bytes of `input` were used.
    private mutating func decompress(
        _ input: UnsafeRawBufferPointer, _ decompressor: InflateStream, _ state: CompressionState, upTo wanted: Int,
        isAtHand: Bool, _ steps: inout Int
    ) throws(ProtocolViolation) -> Int {
        var used = 0
        while assembly.count < wanted {
            let rest = UnsafeRawBufferPointer(rebasing: input[used...])
            let allowed = min(reader.maximumMessageSize - state.messageSize, reader.maximumFrameSize - state.frameSize)
            // One byte more than is allowed is enough to know that it is too many.
            let limit = min(min(allowed, .max - 1) + 1, wanted - assembly.count)
            let space = assembly.reserve(min(limit, 16), wishing: wishedRoom(rest.count, isAtHand, limit))
            let room = min(space.count, limit)
            let result = decompressor.decompress(rest, into: UnsafeMutableRawBufferPointer(rebasing: space[..<room]))
            if let meter = assembly.pool?.meter {
                meter.inflations += 1
                meter.inflated += result.written
            }
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
                    throw reader.inflatedTooFar(messageSize: state.messageSize, frameSize: state.frameSize)
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
                steps -= 1
                if used == input.count || steps <= 0 { return used }
            case .isCorrupt(let reason):
                throw .corruptDeflate(reason)
            }
        }
        return used
    }

    /// How much room there should be for what so many compressed bytes give.
    ///
    /// - Parameter limit: The most bytes that can be used.
    private func wishedRoom(_ compressed: Int, _ isAtHand: Bool, _ limit: Int) -> Int {
        // A pooled block is free when it goes back at once. A smaller block would be allocated for each message.
        if isAtHand, limit > 1024, assembly.pool != nil { return max(MemoryPool.minimumSize - assembly.count, 1024) }
        return min(max(4 * compressed, isAtHand ? 1024 : 128), MemoryPool.minimumSize, limit)
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
            (position == .first || payload.count >= settings.minimumSize)
                && payload.count <= settings.maximumSize ?? .max && !looksIncompressible(payload)
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
