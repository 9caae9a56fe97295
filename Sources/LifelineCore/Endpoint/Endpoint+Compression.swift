/// Compression with permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)).
extension Endpoint {
    /// The agreement on compression; `nil` if messages are not compressed.
    public var compressionAgreement: PerMessageDeflate? { compression?.agreement }

    /// The statistics of compression so far; all zero if nothing has been compressed.
    public var compressionStatistics: CompressionStatistics { compression?.statistics ?? CompressionStatistics() }

    /// The bytes of memory that this connection holds for compression: its compressor, its decompressor, and its windows while it is
    /// idle. What it shares with other connections is not counted.
    public var compressionMemory: Int { compression?.size ?? 0 }

    /// Begins to use compression, as agreed, with the next message.
    mutating func beginCompression(_ agreement: PerMessageDeflate) {
        guard let settings = configuration.compression else { return }
        compression = CompressionState(agreement, settings, role: role, memory: assembly.pool)
        reader.allowsCompression = true
    }

    // MARK: Sending

    /// Whether ``compress(_:_:_:at:)`` may return a payload.
    @inline(__always)
    package var compresses: Bool { compression != nil }

    /// Compresses a message, or the next fragment of one, before it is sent.
    ///
    /// - Parameters:
    ///   - payload: The uncompressed payload.
    ///   - position: The fragment's position in its message. The first fragment decides for the whole message.
    ///   - choice: Whether to compress the message. Only the first fragment's choice counts.
    ///   - now: The current instant.
    /// - Returns: The payload to send in its place, which must be sent next, with `isCompressed` for its header; `nil` if the payload
    ///   must be sent uncompressed.
    public mutating func compress(
        _ payload: UnsafeRawBufferPointer, _ position: FragmentPosition, _ choice: MessageCompression,
        at now: MonotonicInstant
    ) -> CompressedPayload? {
        let isFirst = position == .only || position == .first
        guard let state = compression, phase == .open, isFirst != isSendingFragments else { return nil }
        if isFirst {
            state.isSendingCompressed = state.isWorthwhile(payload, position, choice)
        }
        guard state.isSendingCompressed, let compressor = state.useCompressor(at: now) else {
            // Later fragments do not get here: their compressor exists already.
            state.isSendingCompressed = false
            return nil
        }
        var output = state.makeStore()
        let isLast = position == .only || position == .last
        state.compress(payload, with: compressor, isLast: isLast, into: &output)
        if position == .only, choice != .always, output.count >= payload.count {
            state.discardSent()
            return nil
        }
        state.noteSent(payload.count, wireSize: output.count)
        if isLast { state.endSending() }
        return CompressedPayload(store: output)
    }

    /// Notes that a whole message is sent that was compressed for many connections (``compressForMany(_:)``).
    ///
    /// - Parameters:
    ///   - plain: The uncompressed message.
    ///   - wireSize: The bytes of the compressed message.
    package mutating func noteSentCompressed(_ plain: UnsafeRawBufferPointer, wireSize: Int) {
        guard let state = compression else { return }
        state.noteSent(plain.count, wireSize: wireSize)
        state.noteSentPrepared(plain)
    }

    /// The kind of compressor whose messages this connection can send; `nil` if it does not compress.
    package var compressorKind: CompressorKind? { compression?.sendKind }

    /// Whether a message should be compressed with ``compressForMany(_:)``.
    package func compressesForMany(_ payload: UnsafeRawBufferPointer, _ choice: MessageCompression) -> Bool {
        compression?.isWorthwhile(payload, .only, choice) ?? false
    }

    /// Compresses a whole message from an empty window, for all connections of the same ``compressorKind``.
    ///
    /// - Returns: The compressed payload, which may be longer than the message; `nil` if the budget is exhausted.
    package func compressForMany(_ payload: UnsafeRawBufferPointer) -> CompressedPayload? {
        guard let output = compression?.compressAlone(payload) else { return nil }
        return CompressedPayload(store: output)
    }

    // MARK: Receiving

    /// The most bytes of a chunk of a compressed message.
    private var maximumChunkSize: Int { 64 << 10 }

    /// Reads the part of a compressed frame that has arrived.
    ///
    /// - Parameter allotment: The work that this call may still do. When it is spent, the rest of the frame remains in the input.
    /// - Returns: An event, or `nil` if the frame or the message continues.
    mutating func receiveCompressed(
        _ input: inout ReadBuffer, _ allotment: inout Allotment, at now: MonotonicInstant
    ) throws(ProtocolViolation) -> Endpoint.Event? {
        let state = compression.unsafelyUnwrapped
        guard let decompressor = state.useDecompressor(at: now) else { throw .noMemoryToDecompress }
        let kind = reader.messageKind.unsafelyUnwrapped
        let isWhole = delivery == .messages && !isInsideChunkedMessage

        let payload = reader.peekPayload(&input)
        // The byte that was left in the input because more output was pending has not been passed in again.
        guard payload.count >= state.usedAhead else { return nil }
        let offered = UnsafeRawBufferPointer(rebasing: payload.prefix(state.usedAhead + allotment.compressed))
        // If the whole message has arrived, or chunks are handed out at once, the memory is released soon.
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
        // When the wanted number of bytes is reached, the payload may inflate to more. Its last byte remains in the input until it has
        // been inflated completely, so that the driver sees that there is more to read.
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

    /// Decompresses the tail that the peer has omitted (§7.2.2), after a message's last frame.
    private mutating func endMessage(
        _ decompressor: InflateStream, _ state: CompressionState
    ) throws(ProtocolViolation) {
        // The tail ends a block. An empty payload has no block to end, nor has a payload that ends with a final block.
        if state.messageWireSize > 0, !state.endsWithFinalBlock {
            assembly.pool?.meter?.inflations += 1
            guard try decompressor.endsWithTail() else { throw .incompleteDeflate }
        }
        if reader.messageKind == .text, !validator.isAtBoundary { throw .invalidUTF8 }
        state.endReceiving()
        reader.endMessage()
    }

    /// Decompresses into the assembly, and checks the output, until all of `input` has been inflated completely, or the assembly has the
    /// wanted number of bytes.
    ///
    /// - Parameters:
    ///   - wanted: The number of bytes in the assembly at which to stop.
    ///   - isAtHand: Whether the assembly will soon be handed out and freed. If not, it waits for more input, and may use only a few
    ///     times the memory of what has arrived.
    ///   - steps: How many more final blocks may be read.
    /// - Returns: How many bytes of `input` were used.
    private mutating func decompress(
        _ input: UnsafeRawBufferPointer, _ decompressor: InflateStream, _ state: CompressionState, upTo wanted: Int,
        isAtHand: Bool, _ steps: inout Int
    ) throws(ProtocolViolation) -> Int {
        var used = 0
        while assembly.count < wanted {
            let rest = UnsafeRawBufferPointer(rebasing: input[used...])
            let allowed = min(reader.maximumMessageSize - state.messageSize, reader.maximumFrameSize - state.frameSize)
            // One byte beyond the limit suffices to detect that it is exceeded.
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
                // Of invalid UTF-8 and a limit, the first in the message is reported, however the bytes are split.
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
            case .needsMore:
                if result.used > 0 { state.endsWithFinalBlock = false }
                // Unused room means that the input used so far produces no more output.
                if used == input.count, result.written < room { return used }
            case .finalBlockEnded:
                state.endsWithFinalBlock = true
                steps -= 1
                if used == input.count || steps <= 0 { return used }
            case .isCorrupt(let reason):
                throw .corruptDeflate(reason)
            }
        }
        return used
    }

    /// Returns the room to allocate for the output of so many compressed bytes.
    ///
    /// - Parameter limit: The most bytes that can be used.
    private func wishedRoom(_ compressed: Int, _ isAtHand: Bool, _ limit: Int) -> Int {
        // A block from the pool costs nothing if it is returned soon. A smaller block would be allocated for each message.
        if isAtHand, limit > 1024, assembly.pool != nil { return max(MemoryPool.minimumSize - assembly.count, 1024) }
        return min(max(4 * compressed, isAtHand ? 1024 : 128), MemoryPool.minimumSize, limit)
    }
}

/// The compressed payload of a frame.
public struct CompressedPayload: ~Copyable {
    private let store: ByteStore

    init(store: consuming ByteStore) {
        self.store = store
    }

    /// The number of bytes.
    public var count: Int { store.count }

    /// Calls `body` with the bytes, which are valid during the call only.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(store.bytes))
    }
}

extension CompressionState {
    /// Whether a message should be compressed.
    fileprivate func isWorthwhile(
        _ payload: UnsafeRawBufferPointer, _ position: FragmentPosition, _ choice: MessageCompression
    ) -> Bool {
        switch choice {
        case .always: true
        case .never: false
        // The first fragment does not say how long the message will be.
        case .automatic:
            (position == .first || payload.count >= settings.minimumSize)
                && payload.count <= settings.maximumSize ?? .max && !looksIncompressible(payload)
        }
    }

    /// Compresses a whole message from an empty window; `nil` if the budget is exhausted.
    fileprivate func compressAlone(_ payload: UnsafeRawBufferPointer) -> ByteStore? {
        guard let compressor = takeSpareCompressor() else { return nil }
        var output = makeStore()
        compressor.compress(payload, into: &output)
        output.removeLast(DeflateStream.tailLength)
        giveSpareCompressor(compressor)
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
            // The tail: the next fragment begins with it, and the last one omits it.
            output.removeLast(DeflateStream.tailLength)
            owesTail = true
        } else if owesTail {
            // Nothing to compress: the output before ended with the tail, which still has to be sent.
            output.removeLast(before)
        } else if isLast {
            // A message of no bytes: an empty stored block without its tail (§7.2.3.6).
            output.append(0 as UInt8)
        }
    }
}
