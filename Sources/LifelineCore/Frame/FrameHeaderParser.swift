/// Parses frame headers and checks the rules of [RFC 6455 §5](https://www.rfc-editor.org/rfc/rfc6455#section-5) that a header can
/// break. An ``Endpoint`` and the decoder of `lifeline proxy` both use it, so that each rule is implemented once.
///
/// The parser is resumable at every byte. It knows whether a fragmented message is open, and therefore in which order frames may
/// come. Limits on sizes belong to ``FrameReader``.
package struct FrameHeaderParser: Sendable {
    /// The reserved bits that the extensions of a connection define (§5.2).
    package enum ReservedBits: Sendable {
        /// No extension was agreed: every reserved bit is a violation.
        case none
        /// permessage-deflate was agreed: RSV1 marks the first frame of a compressed message (RFC 7692 §6).
        case compression
        /// An extension with unknown rules was agreed: every bit may be set on every frame.
        case unknown
    }

    /// Rules that a reader may tolerate, because real peers break them and the frames remain readable.
    package struct Tolerance: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// A client that does not mask, or a server that does (§5.1).
        package static let masking = Tolerance(rawValue: 1)
        /// A length that is not encoded in the fewest bytes (§5.2).
        package static let lengthEncoding = Tolerance(rawValue: 2)
    }

    /// A header as it is on the wire.
    package struct Header: Sendable {
        /// FIN, the reserved bits and the opcode.
        package let firstByte: UInt8
        /// The mask bit and the 7-bit length.
        package let secondByte: UInt8
        /// The length of the payload in bytes.
        package let payloadLength: UInt64
        /// The masking key; zero if the frame is not masked.
        package let maskingKey: MaskingKey

        /// What the frame carries.
        package var opcode: Opcode { Opcode(rawValue: firstByte) }
        /// Whether the frame is the last of its message.
        package var isFinal: Bool { firstByte & 0x80 != 0 }
        /// Whether the first reserved bit is set.
        package var rsv1: Bool { firstByte & 0x40 != 0 }
        /// Whether a reserved bit other than the first is set.
        package var hasOtherReservedBits: Bool { firstByte & 0x30 != 0 }
        /// Whether the payload is masked.
        package var isMasked: Bool { secondByte & 0x80 != 0 }
    }

    /// Whether the sender must mask (§5.1): clients do, servers do not.
    package let expectsMask: Bool
    /// The reserved bits that may be set.
    package var reservedBits: ReservedBits
    /// The kind of the message whose frames are being read, as its first frame said; `nil` between messages.
    package private(set) var messageKind: MessageKind?

    /// The bytes of a header that has begun to arrive.
    private var stash: (UInt64, UInt64) = (0, 0)
    private var stashCount = 0

    /// Creates a parser of the frames that `sender` sends.
    package init(sender: WebSocketRole, reservedBits: ReservedBits = .none) {
        expectsMask = sender == .client
        self.reservedBits = reservedBits
    }

    /// Whether no part of a header has been read.
    package var isAtBoundary: Bool { stashCount == 0 }

    /// Parses a header and checks each rule as soon as its bytes are there.
    ///
    /// - Returns: The header, or `nil` if it is incomplete; all of `input` has been read then.
    @inline(__always)
    mutating func parse(_ input: inout ReadBuffer) throws(ProtocolViolation) -> Header? {
        guard stashCount == 0, input.count >= 2 else { return try parseSplit(&input) }
        let bytes = UnsafeRawPointer(input.start)
        let first = bytes.load(as: UInt8.self)
        let second = bytes.load(fromByteOffset: 1, as: UInt8.self)
        try checkFirstBytes(first, second)
        let length = FrameHeaderParser.headerLength(second)
        guard input.count >= length else { return try parseSplit(&input) }
        let header = FrameHeaderParser.decode(bytes, first, second)
        try FrameHeaderParser.checkLength(header)
        input.skip(length)
        beginMessage(header.opcode)
        return header
    }

    /// Parses a header without checking any rule. Call ``check(_:tolerating:)`` with the result, and then
    /// ``accept(_:)`` to continue behind it.
    ///
    /// - Parameter input: The bytes to read. Those that belong to the header are removed from it.
    /// - Returns: The header, or `nil` if it is incomplete; all of `input` has been read then.
    package mutating func parseUnchecked(_ input: inout UnsafeRawBufferPointer) -> Header? {
        while !isComplete {
            guard let byte = input.first else { return nil }
            input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
            keep(byte)
        }
        return takeStashedHeader()
    }

    /// Checks a complete header against every rule.
    package func check(_ header: Header, tolerating tolerance: Tolerance = []) throws(ProtocolViolation) {
        try checkFirstBytes(header.firstByte, header.secondByte, tolerating: tolerance)
        try FrameHeaderParser.checkLength(header, tolerating: tolerance)
    }

    /// Notes that the frame with this header was accepted; a text or binary frame opens a message.
    package mutating func accept(_ header: Header) {
        beginMessage(header.opcode)
    }

    /// Notes that the last frame of a message has been read to its end.
    @inline(__always)
    package mutating func endMessage() {
        messageKind = nil
    }

    @inline(__always)
    private mutating func beginMessage(_ opcode: Opcode) {
        if opcode == .text { messageKind = .text } else if opcode == .binary { messageKind = .binary }
    }

    // MARK: Rules

    /// Checks the rules that the first two bytes decide.
    @inline(__always)
    private func checkFirstBytes(
        _ first: UInt8, _ second: UInt8, tolerating tolerance: Tolerance = []
    ) throws(ProtocolViolation) {
        let opcode = Opcode(rawValue: first)
        // Reserved bits need an extension that defines them (§5.2).
        if first & 0x70 != 0 { try checkReservedBits(first) }
        // Clients mask, servers do not (§5.1).
        guard (second & 0x80 != 0) == expectsMask || tolerance.contains(.masking) else {
            throw expectsMask ? .unmaskedFrame : .maskedFrame
        }
        switch opcode {
        // Fragments of two messages are not mixed (§5.4).
        case .text, .binary:
            guard messageKind == nil else { throw .messageInsideMessage(opcode) }
        case .continuation:
            guard messageKind != nil else { throw .continuationWithoutMessage }
        // Control frames are short and not fragmented (§5.5).
        case .close, .ping, .pong:
            guard first & 0x80 != 0 else { throw .fragmentedControlFrame(opcode) }
            guard second & 0x7F <= 125 else { throw .controlFrameTooLong(opcode) }
        // Other opcodes are reserved (§5.2).
        default:
            throw .reservedOpcode(opcode)
        }
    }

    private func checkReservedBits(_ first: UInt8) throws(ProtocolViolation) {
        switch reservedBits {
        case .none: throw .reservedBits(first)
        case .compression:
            guard first & 0x30 == 0 else { throw .reservedBits(first & 0x30) }
            let opcode = Opcode(rawValue: first)
            guard opcode == .text || opcode == .binary else { throw .compressionInsideMessage(opcode) }
        case .unknown: break
        }
    }

    /// Checks that the length has at most 63 bits and is encoded in the fewest bytes (§5.2).
    @inline(__always)
    private static func checkLength(
        _ header: Header, tolerating tolerance: Tolerance = []
    ) throws(ProtocolViolation) {
        let encoding = header.secondByte & 0x7F
        guard encoding > 125 else { return }
        let length = header.payloadLength
        guard length >> 63 == 0 else { throw .lengthTooLarge }
        guard length > (encoding == 126 ? 125 : 0xFFFF) || tolerance.contains(.lengthEncoding) else {
            throw .lengthNotMinimal(length)
        }
    }

    // MARK: Layout

    /// The length of a header in bytes, which its second byte decides.
    @inline(__always)
    private static func headerLength(_ second: UInt8) -> Int {
        let length = second & 0x7F
        return 2 &+ (length < 126 ? 0 : length == 126 ? 2 : 8) &+ (second & 0x80 != 0 ? 4 : 0)
    }

    /// Decodes the complete header at `bytes`.
    @inline(__always)
    private static func decode(_ bytes: UnsafeRawPointer, _ first: UInt8, _ second: UInt8) -> Header {
        var length = UInt64(second & 0x7F)
        var offset = 2
        if length == 126 {
            length = UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            offset = 4
        } else if length == 127 {
            length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            offset = 10
        }
        let key = second & 0x80 != 0 ? bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self) : 0
        return Header(
            firstByte: first, secondByte: second, payloadLength: length, maskingKey: MaskingKey(word: key))
    }

    // MARK: Headers in pieces

    /// Adds to the kept bytes of a header until it is complete.
    private mutating func parseSplit(_ input: inout ReadBuffer) throws(ProtocolViolation) -> Header? {
        while !isComplete {
            guard !input.isEmpty else { return nil }
            keep(input.start.load(as: UInt8.self))
            input.skip(1)
            if stashCount == 2 { try checkFirstBytes(stashByte(0), stashByte(1)) }
        }
        let header = takeStashedHeader()
        try FrameHeaderParser.checkLength(header)
        beginMessage(header.opcode)
        return header
    }

    /// Whether all bytes of the header that has begun to arrive are there.
    private var isComplete: Bool {
        stashCount >= 2 && stashCount >= FrameHeaderParser.headerLength(stashByte(1))
    }

    private mutating func keep(_ byte: UInt8) {
        withUnsafeMutableBytes(of: &stash) { $0[stashCount] = byte }
        stashCount += 1
    }

    private mutating func takeStashedHeader() -> Header {
        stashCount = 0
        return withUnsafeBytes(of: stash) { bytes in
            FrameHeaderParser.decode(bytes.baseAddress.unsafelyUnwrapped, bytes[0], bytes[1])
        }
    }

    private func stashByte(_ index: Int) -> UInt8 {
        withUnsafeBytes(of: stash) { $0[index] }
    }
}
