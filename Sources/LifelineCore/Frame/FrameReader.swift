/// Reads frame headers, resumable at every byte, and holds each to the rules of
/// [RFC 6455 §5](https://www.rfc-editor.org/rfc/rfc6455#section-5) and to the limits before anything is spent on its
/// payload.
struct FrameReader {
    /// The limits that the declared lengths and counts are held to.
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

        /// The most bytes of a compressed frame on the wire. What counts is what they give; this keeps out what cannot be
        /// meant, such as a stream of empty blocks that never gives anything.
        var compressedFrameSize: Int { Limits.deflated(frameSize) }

        /// The same of a compressed message of so many frames. Each of them may end with a flush.
        func compressedMessageSize(fragments: Int) -> Int {
            Limits.deflated(messageSize).addingSaturating(fragments.multipliedSaturating(by: 16))
        }

        /// The most bytes of a message in so many frames that have brought so many bytes.
        func fragments(for received: Int) -> Int { fragments.addingSaturating(received / Limits.bytesForFragment) }

        /// How many bytes of a message allow one fragment more.
        static let bytesForFragment = 32

        /// The most bytes that so many take as DEFLATE: stored as they are, in blocks that add five bytes each. zlib's
        /// compressor with the least memory stores 128 bytes a block (its `deflateBound`); what is added besides is for flushes
        /// inside a short message.
        private static func deflated(_ size: Int) -> Int {
            size.addingSaturating(size / 32).addingSaturating(size / 128).addingSaturating(size / 2048)
                .addingSaturating(1024)
        }
    }

    private let limits: Limits
    /// Whether the peer must mask (§5.1): clients do, servers do not.
    private let expectsMask: Bool

    /// The bytes of a header that has begun to arrive.
    private var stash: (UInt64, UInt64) = (0, 0)
    private var stashCount = 0

    /// The opcode of the frame that is being read.
    private(set) var opcode: Opcode = .continuation
    /// Whether the frame that is being read is the last of its message.
    private(set) var isFinal = false
    /// Whether a frame's header has been read and its payload not yet to its end.
    private(set) var isInsideFrame = false
    /// The bytes of the payload that have not been read.
    private(set) var remaining = 0
    /// How many of them, at the beginning of the input, have been unmasked already.
    private var unmasked = 0
    /// Whether permessage-deflate was agreed, so that RSV1 has a meaning (RFC 7692 §6).
    var allowsCompression = false
    /// Whether the message that is being read is compressed, which its first frame said.
    private(set) var isCompressed = false
    /// The key for the next byte of the payload; `nil` where it is not masked.
    private var maskingKey = MaskingKey(word: 0)

    /// The kind of the message that is being read, which its first frame said; `nil` between messages.
    private(set) var messageKind: MessageKind?
    /// The announced bytes of the message's frames so far.
    private var messageSize = 0
    private var fragments = 0

    /// A reader of what the peer of `role` sends.
    init(role: WebSocketRole, limits: Limits) {
        expectsMask = role == .server
        self.limits = limits
    }

    /// Whether the stream may end here without cutting a frame, or a message, in two.
    var isAtBoundary: Bool { !isInsideFrame && stashCount == 0 && messageKind == nil }

    /// Reads a header.
    ///
    /// - Returns: Whether it is complete. Where it is not, all of `input` has been read.
    @inline(__always)
    mutating func readHeader(_ input: inout ReadBuffer) throws(ProtocolViolation) -> Bool {
        guard stashCount == 0, input.count >= 2 else { return try readSplitHeader(&input) }
        let bytes = UnsafeRawPointer(input.start)
        let first = bytes.load(as: UInt8.self)
        let second = bytes.load(fromByteOffset: 1, as: UInt8.self)
        try check(first, second)
        let length = FrameReader.headerLength(second)
        guard input.count >= length else { return try readSplitHeader(&input) }
        try decode(bytes, first, second)
        input.skip(length)
        return true
    }

    /// Reads a message that lies in `input` as one whole frame and breaks no rule: what nearly all messages are.
    ///
    /// - Returns: The message, unmasked where it lies, and whether it is UTF-8 where it is text; or `nil` where one has to
    ///   look more closely: nothing has been read then.
    @inline(__always)
    mutating func readWholeMessage(
        _ input: inout ReadBuffer
    ) -> (kind: MessageKind, payload: UnsafeRawBufferPointer, isValid: Bool)? {
        guard input.count >= 2, !isInsideFrame, stashCount == 0, messageKind == nil else { return nil }
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

    /// Takes up to `count` bytes of the payload and unmasks them where they lie.
    @inline(__always)
    mutating func readPayload(_ input: inout ReadBuffer) -> UnsafeRawBufferPointer {
        let count = min(remaining, input.count)
        if expectsMask {
            maskingKey.apply(to: input.start, count: count)
            maskingKey = maskingKey.rotated(by: count)
        }
        return takePayload(&input, count)
    }

    /// Takes up to `count` bytes of a text's payload, unmasks them where they lie, and judges them (§8.1).
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

    /// What has come of the payload, unmasked where it lies; ``takePayload(_:_:)`` says how much of it has been read.
    mutating func peekPayload(_ input: inout ReadBuffer) -> UnsafeRawBufferPointer {
        let count = min(remaining, input.count)
        if expectsMask, count > unmasked {
            maskingKey.apply(to: input.start + unmasked, count: count - unmasked)
            maskingKey = maskingKey.rotated(by: count - unmasked)
        }
        // Where less is shown than before, the rest stays unmasked all the same.
        unmasked = max(unmasked, count)
        return UnsafeRawBufferPointer(start: input.start, count: count)
    }

    /// Takes `count` bytes of what ``peekPayload(_:)`` showed.
    mutating func takePayload(_ count: Int, _ input: inout ReadBuffer) {
        unmasked -= count
        remaining -= count
        isInsideFrame = remaining > 0
        input.skip(count)
    }

    /// Notes that the message's last frame has been read to its end.
    @inline(__always)
    mutating func endMessage() {
        messageKind = nil
        messageSize = 0
        fragments = 0
    }

    /// The header that was read last, as a value for those who look on.
    var header: FrameHeader {
        FrameHeader(
            opcode: opcode, isFinal: isFinal, rsv1: isCompressed && (opcode == .text || opcode == .binary),
            maskingKey: expectsMask ? maskingKey : nil,
            payloadLength: UInt64(remaining))
    }

    // MARK: Rules

    @inline(__always)
    private static func headerLength(_ second: UInt8) -> Int {
        let length = second & 0x7F
        return 2 &+ (length < 126 ? 0 : length == 126 ? 2 : 8) &+ (second & 0x80 != 0 ? 4 : 0)
    }

    /// Judges what the first two bytes say.
    @inline(__always)
    private func check(_ first: UInt8, _ second: UInt8) throws(ProtocolViolation) {
        let opcode = Opcode(rawValue: first)
        if first & 0x70 != 0 {
            guard allowsCompression, first & 0x30 == 0 else { throw .reservedBits(first, allowsCompression) }
            guard opcode == .text || opcode == .binary else { throw .compressionInsideMessage(opcode) }
        }
        guard (second & 0x80 != 0) == expectsMask else { throw expectsMask ? .unmaskedFrame : .maskedFrame }
        switch opcode {
        case .text, .binary:
            guard messageKind == nil else { throw .messageInsideMessage(opcode) }
        case .continuation:
            guard messageKind != nil else { throw .continuationWithoutMessage }
        case .close, .ping, .pong:
            guard first & 0x80 != 0 else { throw .fragmentedControlFrame(opcode) }
            guard second & 0x7F <= 125 else { throw .controlFrameTooLong(opcode) }
        default:
            throw .reservedOpcode(opcode)
        }
    }

    /// Reads a complete header at `bytes`, of which the first two have been judged.
    @inline(__always)
    private mutating func decode(
        _ bytes: UnsafeRawPointer, _ first: UInt8, _ second: UInt8
    ) throws(ProtocolViolation) {
        var length = UInt64(second & 0x7F)
        var offset = 2
        if length == 126 {
            length = UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            guard length > 125 else { throw .lengthNotMinimal(length) }
            offset = 4
        } else if length == 127 {
            length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard length >> 63 == 0 else { throw .lengthTooLarge }
            guard length > 0xFFFF else { throw .lengthNotMinimal(length) }
            offset = 10
        }
        let opcode = Opcode(rawValue: first)
        if !opcode.isControl {
            if opcode != .continuation { isCompressed = first & 0x40 != 0 }
            try countData(opcode, length)
        }
        if expectsMask {
            maskingKey = MaskingKey(word: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        self.opcode = opcode
        isFinal = first & 0x80 != 0
        remaining = Int(truncatingIfNeeded: length)
        isInsideFrame = true
    }

    /// Holds a data frame to the limits on frames, messages and fragments.
    @inline(__always)
    private mutating func countData(_ opcode: Opcode, _ length: UInt64) throws(ProtocolViolation) {
        // The frames before have come to their end.
        let received = messageSize
        let total = UInt64(received) &+ length
        fragments &+= 1
        if isCompressed {
            try checkCompressed(length, total)
        } else {
            guard length <= UInt64(limits.frameSize) else { throw .frameTooBig(length, limit: limits.frameSize) }
            guard total <= UInt64(limits.messageSize) else { throw .messageTooBig(total, limit: limits.messageSize) }
        }
        if opcode != .continuation { messageKind = opcode == .text ? .text : .binary }
        messageSize = Int(truncatingIfNeeded: total)
        let allowed = limits.fragments(for: received)
        guard fragments <= allowed else { throw .tooManyFragments(allowed: allowed, limit: limits.fragments) }
    }

    /// Holds a compressed frame to what can be needed for what is allowed.
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

    /// What is wrong with a compressed message that gives more than is allowed.
    ///
    /// - Parameters:
    ///   - messageSize: The bytes that the message has given.
    ///   - frameSize: The bytes that its last frame has.
    func violation(messageSize: Int, frameSize: Int) -> ProtocolViolation {
        messageSize > limits.messageSize
            ? .messageTooBig(UInt64(messageSize), limit: limits.messageSize)
            : .frameTooBig(UInt64(frameSize), limit: limits.frameSize)
    }

    // MARK: Headers in pieces

    /// Adds to the bytes kept of a header until it is complete.
    private mutating func readSplitHeader(_ input: inout ReadBuffer) throws(ProtocolViolation) -> Bool {
        while true {
            let needed = stashCount < 2 ? 2 : FrameReader.headerLength(stashByte(1))
            if stashCount >= 2, stashCount >= needed { break }
            guard !input.isEmpty else { return false }
            let byte = input.start.load(as: UInt8.self)
            withUnsafeMutableBytes(of: &stash) { $0[stashCount] = byte }
            stashCount += 1
            input.skip(1)
            if stashCount == 2 { try check(stashByte(0), byte) }
        }
        var bytes = stash
        stashCount = 0
        let (first, second) = withUnsafeBytes(of: &bytes) { ($0[0], $0[1]) }
        try withUnsafeBytes(of: &bytes) { (bytes) throws(ProtocolViolation) in
            try decode(bytes.baseAddress.unsafelyUnwrapped, first, second)
        }
        return true
    }

    private func stashByte(_ index: Int) -> UInt8 {
        withUnsafeBytes(of: stash) { $0[index] }
    }
}
