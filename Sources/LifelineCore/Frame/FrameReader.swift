/// Reads frames: headers by way of a ``FrameHeaderParser``, and payloads, which it unmasks in place. Checks every announced length
/// and count against the limits before anything is spent on the payload.
struct FrameReader {
    /// The limits on announced lengths and counts.
    struct Limits {
        let frameSize: Int
        let messageSize: Int
        let fragments: Int

        /// A negative number allows as little as zero does.
        init(frameSize: Int, messageSize: Int, fragments: Int) {
            self.frameSize = max(frameSize, 0)
            self.messageSize = max(messageSize, 0)
            self.fragments = max(fragments, 0)
        }

        /// The most bytes of a compressed frame on the wire. The real limit is on the inflated size; this rejects degenerate
        /// input, such as endless empty blocks.
        var compressedFrameSize: Int { Limits.deflated(frameSize) }

        /// The most bytes of a compressed message on the wire, in that many frames. Each of them may end with a flush.
        func compressedMessageSize(fragments: Int) -> Int {
            Limits.deflated(messageSize).addingSaturating(fragments.multipliedSaturating(by: 16))
        }

        /// The most fragments of a message of which `received` bytes have arrived.
        func fragments(for received: Int) -> Int { fragments.addingSaturating(received / Limits.bytesForFragment) }

        /// Every so many bytes of a message allow one more fragment.
        static let bytesForFragment = 32

        /// The most bytes that `size` bytes need as DEFLATE: in stored blocks, which add five bytes each. With the least memory,
        /// zlib's compressor stores 128 bytes per block (its `deflateBound`). The constant leaves room for flushes in a short
        /// message.
        private static func deflated(_ size: Int) -> Int {
            size.addingSaturating(size / 32).addingSaturating(size / 128).addingSaturating(size / 2048)
                .addingSaturating(1024)
        }
    }

    private let limits: Limits
    private var parser: FrameHeaderParser

    /// The opcode of the frame that is being read.
    private(set) var opcode: Opcode = .continuation
    /// Whether the frame that is being read is the last of its message.
    private(set) var isFinal = false
    /// Whether a frame's header has been read, and its payload not to its end.
    private(set) var isInsideFrame = false
    /// The bytes of the payload that have not been read.
    private(set) var remaining = 0
    /// How many of them, at the beginning of the input, have been unmasked already.
    private var unmasked = 0
    /// Whether the message that is being read is compressed, which its first frame said.
    private(set) var isCompressed = false
    /// The key for the next byte of the payload; not used where frames are not masked.
    private var maskingKey = MaskingKey(word: 0)

    /// The announced bytes of the message's frames so far.
    private var messageSize = 0
    private var fragments = 0

    /// Creates a reader of what the peer of `role` sends.
    init(role: WebSocketRole, limits: Limits) {
        parser = FrameHeaderParser(sender: role.peer)
        self.limits = limits
    }

    /// Whether permessage-deflate was agreed, so that RSV1 has a meaning (RFC 7692 §6).
    var allowsCompression: Bool {
        get { parser.reservedBits == .compression }
        set { parser.reservedBits = newValue ? .compression : .none }
    }

    /// Whether the peer must mask (§5.1).
    @inline(__always)
    private var expectsMask: Bool { parser.expectsMask }

    /// The kind of the message that is being read, as its first frame said; `nil` between messages.
    @inline(__always)
    var messageKind: MessageKind? { parser.messageKind }

    /// Whether the stream may end here without cutting a frame or a message in two.
    var isAtBoundary: Bool { !isInsideFrame && parser.isAtBoundary && messageKind == nil }

    /// Reads a header and checks it against the rules and the limits.
    ///
    /// - Returns: Whether it is complete. If it is not, all of `input` has been read.
    @inline(__always)
    mutating func readHeader(_ input: inout ReadBuffer) throws(ProtocolViolation) -> Bool {
        guard let header = try parser.parse(&input) else { return false }
        let opcode = header.opcode
        if !opcode.isControl {
            if opcode != .continuation { isCompressed = header.rsv1 }
            try countData(header.payloadLength)
        }
        maskingKey = header.maskingKey
        self.opcode = opcode
        isFinal = header.isFinal
        remaining = Int(truncatingIfNeeded: header.payloadLength)
        isInsideFrame = true
        return true
    }

    /// Reads a message that lies in `input` as one whole frame and breaks no rule, as nearly all messages do. This is the fast path
    /// of ``readHeader(_:)``: it recognizes a subset of valid frames, and leaves all others to it.
    ///
    /// - Returns: The message, unmasked in place, and whether it is valid UTF-8 (for text); `nil` if the slow path must read it.
    ///   Nothing has been read then.
    @inline(__always)
    mutating func readWholeMessage(
        _ input: inout ReadBuffer
    ) -> (kind: MessageKind, payload: UnsafeRawBufferPointer, isValid: Bool)? {
        guard input.count >= 2, !isInsideFrame, parser.isAtBoundary, messageKind == nil else { return nil }
        let bytes = input.start
        let first = bytes.load(as: UInt8.self)
        let second = bytes.load(fromByteOffset: 1, as: UInt8.self)
        // A final text or binary frame without reserved bits, masked as it must be.
        guard first == 0x81 || first == 0x82, (second & 0x80 != 0) == expectsMask else { return nil }
        var length = Int(second & 0x7F)
        var offset = 2
        if length >= 126 {
            guard length == 126, input.count >= 4 else { return nil }
            length = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            guard length >= 126 else { return nil }
            offset = 4
        }
        let keyOffset = offset
        if expectsMask { offset &+= 4 }
        guard input.count >= offset &+ length, length <= limits.frameSize, length <= limits.messageSize,
            limits.fragments > 0
        else { return nil }
        let payload = bytes + offset
        let kind: MessageKind = first == 0x81 ? .text : .binary
        var isValid = true
        if expectsMask {
            let key = MaskingKey(word: bytes.loadUnaligned(fromByteOffset: keyOffset, as: UInt32.self))
            if kind == .text {
                isValid = UTF8Validator.isValid(payload, count: length, maskedWith: key)
            } else {
                key.apply(to: payload, count: length)
            }
        } else if kind == .text {
            isValid = UTF8Validator.isValid(UnsafeRawBufferPointer(start: payload, count: length))
        }
        input.skip(offset &+ length)
        return (kind, UnsafeRawBufferPointer(start: payload, count: length), isValid)
    }

    /// Consumes the part of the payload that has arrived, and unmasks it in place.
    @inline(__always)
    mutating func readPayload(_ input: inout ReadBuffer) -> UnsafeRawBufferPointer {
        let count = min(remaining, input.count)
        if expectsMask {
            maskingKey.apply(to: input.start, count: count)
            maskingKey = maskingKey.rotated(by: count)
        }
        return takePayload(&input, count)
    }

    /// Consumes the part of a text's payload that has arrived, unmasks it in place, and checks that it is UTF-8
    /// (§8.1).
    @inline(__always)
    mutating func readText(
        _ input: inout ReadBuffer, _ validator: inout UTF8Validator
    ) throws(ProtocolViolation) -> UnsafeRawBufferPointer {
        let count = min(remaining, input.count)
        if expectsMask {
            guard validator.consume(input.start, count: count, maskedWith: maskingKey) else { throw .invalidUTF8 }
            maskingKey = maskingKey.rotated(by: count)
        } else {
            guard validator.consume(input.start, count: count) else { throw .invalidUTF8 }
        }
        return takePayload(&input, count)
    }

    @inline(__always)
    private mutating func takePayload(_ input: inout ReadBuffer, _ count: Int) -> UnsafeRawBufferPointer {
        let start = input.start
        remaining &-= count
        isInsideFrame = remaining > 0
        input.skip(count)
        return UnsafeRawBufferPointer(start: start, count: count)
    }

    /// Returns the part of the payload that has arrived, unmasked in place, without consuming it. Call
    /// ``takePayload(_:_:)`` with the number of bytes that were used.
    mutating func peekPayload(_ input: inout ReadBuffer) -> UnsafeRawBufferPointer {
        let count = min(remaining, input.count)
        if expectsMask, count > unmasked {
            maskingKey.apply(to: input.start + unmasked, count: count - unmasked)
            maskingKey = maskingKey.rotated(by: count - unmasked)
        }
        // If less is passed in than before, the rest remains unmasked all the same.
        unmasked = max(unmasked, count)
        return UnsafeRawBufferPointer(start: input.start, count: count)
    }

    /// Takes `count` bytes of what ``peekPayload(_:)`` returned.
    mutating func takePayload(_ count: Int, _ input: inout ReadBuffer) {
        unmasked -= count
        remaining -= count
        isInsideFrame = remaining > 0
        input.skip(count)
    }

    /// Notes that the message's last frame has been read to its end.
    @inline(__always)
    mutating func endMessage() {
        parser.endMessage()
        messageSize = 0
        fragments = 0
    }

    /// The header that was read last, as a value for observers.
    var header: FrameHeader {
        FrameHeader(
            opcode: opcode, isFinal: isFinal, rsv1: isCompressed && (opcode == .text || opcode == .binary),
            maskingKey: expectsMask ? maskingKey : nil,
            payloadLength: UInt64(remaining))
    }

    // MARK: Limits

    /// Checks a data frame against the limits on frames, messages and fragments.
    @inline(__always)
    private mutating func countData(_ length: UInt64) throws(ProtocolViolation) {
        // All earlier frames of the message have been read to their ends.
        let received = messageSize
        let total = UInt64(received) &+ length
        fragments &+= 1
        if isCompressed {
            try checkCompressed(length, total)
        } else {
            guard length <= UInt64(limits.frameSize) else { throw .frameTooBig(length, limit: limits.frameSize) }
            guard total <= UInt64(limits.messageSize) else { throw .messageTooBig(total, limit: limits.messageSize) }
        }
        messageSize = Int(truncatingIfNeeded: total)
        let allowed = limits.fragments(for: received)
        guard fragments <= allowed else { throw .tooManyFragments(allowed: allowed, limit: limits.fragments) }
    }

    /// Checks a compressed frame against the most bytes that a frame and a message of the allowed size can need.
    private func checkCompressed(_ length: UInt64, _ total: UInt64) throws(ProtocolViolation) {
        let frameLimit = limits.compressedFrameSize
        guard length <= UInt64(frameLimit) else {
            throw .compressedFrameTooBig(length, needed: frameLimit, limit: limits.frameSize)
        }
        let messageLimit = limits.compressedMessageSize(fragments: fragments)
        guard total <= UInt64(messageLimit) else {
            throw .compressedMessageTooBig(total, needed: messageLimit, limit: limits.messageSize)
        }
    }

    /// The most bytes of a message.
    var maximumMessageSize: Int { limits.messageSize }
    /// The most bytes of a frame.
    var maximumFrameSize: Int { limits.frameSize }

    /// Returns the violation of a compressed message that inflates to more than is allowed.
    ///
    /// - Parameters:
    ///   - messageSize: The bytes that the message has inflated to.
    ///   - frameSize: The bytes that its last frame has inflated to.
    func inflatedTooFar(messageSize: Int, frameSize: Int) -> ProtocolViolation {
        messageSize > limits.messageSize
            ? .messageTooBig(UInt64(messageSize), limit: limits.messageSize)
            : .frameTooBig(UInt64(frameSize), limit: limits.frameSize)
    }
}
