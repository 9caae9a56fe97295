import Lifeline

/// Decodes the frames of one direction (RFC 6455 §5) as an observer. If a frame breaks a rule, the decoder reports that and stops; the
/// connection goes on.
struct FrameDecoder {
    /// The most bytes of a message that are decompressed or kept.
    static let messageLimit = 16 << 20

    private let sender: WebSocketRole
    private let direction: TraceEvent.Direction
    private let payloadLimit: Int
    /// Decompresses messages; `nil` if no compression was agreed, or decompression has failed.
    private var inflater: MessageInflater?
    /// Whether permessage-deflate was agreed.
    private let allowsCompression: Bool
    /// Whether an unknown extension was agreed, which may give reserved bits and payloads another meaning.
    private let hasUnknownExtension: Bool

    private var parser: FrameHeaderParser
    private var frame: TraceEvent.Frame?
    private var remaining: UInt64 = 0
    /// The key for the next byte of the payload; `nil` if it is not masked.
    private var key: MaskingKey?
    private var message: TraceEvent.Message?
    /// Whether the content of the message is known.
    private var isReadable = true
    private var hasNotedMask = false
    /// Whether a frame has broken a rule, so that the frames behind it cannot be read.
    private(set) var hasStopped = false
    /// The bytes of compressed messages, decompressed and on the wire.
    private(set) var compressed = (plain: 0, wire: 0)

    /// Creates a decoder.
    ///
    /// - Parameters:
    ///   - sender: Who sends the frames.
    ///   - payloadLimit: The most bytes of a payload to keep.
    ///   - agreement: What was agreed about compression; `nil` for none.
    ///   - hasUnknownExtension: Whether another extension was agreed.
    init(
        sender: WebSocketRole, payloadLimit: Int, agreement: PerMessageDeflate?, hasUnknownExtension: Bool
    ) {
        self.sender = sender
        direction = sender == .client ? .received : .sent
        self.payloadLimit = min(max(payloadLimit, 0), FrameDecoder.messageLimit)
        self.hasUnknownExtension = hasUnknownExtension
        allowsCompression = agreement != nil
        parser = FrameHeaderParser(
            sender: sender,
            reservedBits: hasUnknownExtension ? .unknown : allowsCompression ? .compression : .none)
        inflater = agreement.flatMap { MessageInflater($0, sender: sender, limit: FrameDecoder.messageLimit) }
    }

    /// Reads on, and passes what the bytes mean to `emit`.
    mutating func read(_ input: UnsafeRawBufferPointer, _ emit: (TraceEvent.Kind) -> Void) {
        var rest = input
        while !hasStopped, !rest.isEmpty {
            if frame == nil {
                if let header = parser.parseUnchecked(&rest) { begin(header, emit) }
            } else {
                let count = Int(min(remaining, UInt64(rest.count)))
                readPayload(UnsafeRawBufferPointer(rebasing: rest[..<count]), emit)
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                remaining -= UInt64(count)
                if remaining == 0 { end(emit) }
            }
        }
    }

    // MARK: A frame's header

    private mutating func begin(_ header: FrameHeaderParser.Header, _ emit: (TraceEvent.Kind) -> Void) {
        var frame = TraceEvent.Frame(
            opcode: header.opcode.rawValue, isFinal: header.isFinal, rsv1: header.rsv1, isMasked: header.isMasked,
            length: Int(clamping: header.payloadLength))
        do throws(ProtocolViolation) {
            try parser.check(header, tolerating: [.masking, .lengthEncoding])
        } catch {
            emit(.frame(direction, frame))
            stop("\(error)", emit)
            return
        }
        parser.accept(header)
        key = header.isMasked ? header.maskingKey : nil
        if header.isMasked != parser.expectsMask, !hasNotedMask {
            hasNotedMask = true
            emit(
                .note(
                    "the \(sender.rawValue) \(header.isMasked ? "masks" : "does not mask") its frames (RFC 6455 §5.1)"))
        }
        if frame.meaning.isControl {
            frame.payload = []
        } else {
            if frame.meaning != .continuation { beginMessage(header) }
            frame.payload = isReadable && payloadLimit > 0 ? [] : nil
        }
        self.frame = frame
        remaining = header.payloadLength
        if remaining == 0 { end(emit) }
    }

    private mutating func beginMessage(_ header: FrameHeaderParser.Header) {
        let isCompressed = header.rsv1 && allowsCompression
        message = TraceEvent.Message(
            isText: header.opcode == .text, size: 0, wireSize: 0, isCompressed: isCompressed, frames: 0,
            payload: payloadLimit > 0 ? [] : nil)
        let hasUnknownBits = header.hasOtherReservedBits || header.rsv1 && !allowsCompression
        isReadable = !hasUnknownBits && (!isCompressed || inflater != nil)
    }

    private mutating func stop(_ reason: String, _ emit: (TraceEvent.Kind) -> Void) {
        hasStopped = true
        inflater = nil
        frame = nil
        message = nil
        emit(
            .note(
                "the \(sender.rawValue) breaks the protocol: \(reason); "
                    + "the proxy relays the rest without decoding it"))
    }

    // MARK: A frame's payload

    private mutating func readPayload(_ bytes: UnsafeRawBufferPointer, _ emit: (TraceEvent.Kind) -> Void) {
        guard let current = frame else { return }
        defer { key = key?.rotated(by: bytes.count) }
        if current.meaning.isControl {
            let part = unmasked(bytes)
            frame?.payload?.append(contentsOf: part)
            return
        }
        // Holds no second reference to the message: with one, each fragment would copy the message's payload.
        guard isReadable, let isCompressed = message?.isCompressed else { return }
        if isCompressed {
            guard let inflater else { return }
            let failure = unmasked(bytes).withUnsafeBytes { plain -> MessageInflater.Failure? in
                do throws(MessageInflater.Failure) {
                    try inflater.read(plain) { self.keep($0, count: $0.count) }
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { giveUpInflating(failure, emit) }
        } else {
            // Only what is kept needs to be unmasked.
            let count = max(room(in: message?.payload), room(in: current.payload))
            let part = unmasked(UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
            part.withUnsafeBytes { keep($0, count: bytes.count) }
        }
    }

    /// Counts `count` bytes of payload, and keeps as many of them as there is room for.
    ///
    /// - Parameter bytes: The first of the bytes: at least as many as there is room for.
    private mutating func keep(_ bytes: UnsafeRawBufferPointer, count: Int) {
        message?.size.addSaturating(count)
        let (ofMessage, ofFrame) = (room(in: message?.payload), room(in: frame?.payload))
        message?.payload?.append(contentsOf: bytes.prefix(ofMessage))
        frame?.payload?.append(contentsOf: bytes.prefix(ofFrame))
    }

    /// The number of bytes that may still be added to a payload; 0 if it is not recorded.
    private func room(in payload: [UInt8]?) -> Int { payload.map { max(0, payloadLimit - $0.count) } ?? 0 }

    private func unmasked(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        guard let key, let start = bytes.baseAddress else { return Array(bytes) }
        return Array(unsafeUninitializedCapacity: bytes.count) { buffer, count in
            key.apply(
                from: start, to: UnsafeMutableRawPointer(buffer.baseAddress.unsafelyUnwrapped), count: bytes.count)
            count = bytes.count
        }
    }

    private mutating func giveUpInflating(_ failure: MessageInflater.Failure, _ emit: (TraceEvent.Kind) -> Void) {
        inflater = nil
        isReadable = false
        frame?.payload = nil
        let reason =
            switch failure {
            case .corrupt(let reason): "one is not valid DEFLATE (\(reason))"
            case .tooBig(let limit): "one is larger than \(limit >> 20) MiB"
            }
        emit(.note("the proxy stops decompressing the \(sender.rawValue)'s messages: \(reason)"))
    }

    // MARK: A frame's end

    private mutating func end(_ emit: (TraceEvent.Kind) -> Void) {
        guard let frame else { return }
        self.frame = nil
        emit(.frame(direction, frame))
        guard !frame.meaning.isControl, var ended = message else { return }
        ended.frames += 1
        ended.wireSize.addSaturating(frame.length)
        message = ended
        guard frame.isFinal else { return }
        parser.endMessage()
        if ended.isCompressed, isReadable, let inflater {
            do throws(MessageInflater.Failure) {
                try inflater.endMessage { self.keep($0, count: $0.count) }
            } catch {
                giveUpInflating(error, emit)
            }
        }
        if isReadable, let message {
            if message.isCompressed {
                compressed.plain.addSaturating(message.size)
                compressed.wire.addSaturating(message.wireSize)
            }
            emit(.message(direction, message))
        }
        message = nil
        isReadable = true
    }
}
