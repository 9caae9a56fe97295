/// A violation of the protocol, or of a limit, that fails the connection
/// ([RFC 6455 §7.1.7](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7)).
///
/// It is a struct and not an enum, so that new rules break no caller's `switch`.
public struct ProtocolViolation: Error, Hashable, Sendable {
    /// The close code to send to the peer.
    public let closeCode: CloseCode
    /// What was received, what is allowed, and the setting or RFC section that says so.
    public let description: String

    /// Creates a violation, for example to test code that handles one.
    ///
    /// - Parameters:
    ///   - closeCode: The close code to send to the peer.
    ///   - description: What came, what is allowed, and which setting or section of an RFC says so.
    public init(closeCode: CloseCode, description: String) {
        self.init(closeCode, description)
    }

    init(_ closeCode: CloseCode, _ description: String) {
        self.closeCode = closeCode
        self.description = description
    }
}

extension ProtocolViolation: CustomStringConvertible {}

extension ProtocolViolation {
    // MARK: Frames

    /// - Parameter bits: The reserved bits that are set and may not be, as in the first byte of a header.
    static func reservedBits(_ bits: UInt8) -> ProtocolViolation {
        let names: [(mask: UInt8, name: String)] = [(0x40, "RSV1"), (0x20, "RSV2"), (0x10, "RSV3")]
        let set = names.filter { bits & $0.mask != 0 }.map(\.name)
        return ProtocolViolation(
            .protocolError,
            "\(set.joined(separator: " and ")) set, but no extension that uses it was agreed (RFC 6455 §5.2)")
    }

    static func reservedOpcode(_ opcode: Opcode) -> ProtocolViolation {
        ProtocolViolation(.protocolError, "opcode \(opcode) is reserved (RFC 6455 §5.2)")
    }

    static var unmaskedFrame: ProtocolViolation {
        ProtocolViolation(.protocolError, "a frame from the client was not masked (RFC 6455 §5.1)")
    }

    static var maskedFrame: ProtocolViolation {
        ProtocolViolation(.protocolError, "a frame from the server was masked (RFC 6455 §5.1)")
    }

    static func fragmentedControlFrame(_ opcode: Opcode) -> ProtocolViolation {
        ProtocolViolation(.protocolError, "a \(opcode) frame was fragmented (RFC 6455 §5.5)")
    }

    static func controlFrameTooLong(_ opcode: Opcode) -> ProtocolViolation {
        ProtocolViolation(.protocolError, "a \(opcode) frame announced more than 125 bytes (RFC 6455 §5.5)")
    }

    static func lengthNotMinimal(_ length: UInt64) -> ProtocolViolation {
        ProtocolViolation(.protocolError, "the length \(length) was not encoded in the fewest bytes (RFC 6455 §5.2)")
    }

    static var lengthTooLarge: ProtocolViolation {
        ProtocolViolation(.protocolError, "the most significant bit of a 64-bit length was set (RFC 6455 §5.2)")
    }

    static func frameTooBig(_ length: UInt64, limit: Int) -> ProtocolViolation {
        ProtocolViolation(
            .messageTooBig, "a frame of \(length) bytes; at most \(limit) are allowed (maximumFrameSize)")
    }

    // MARK: Compression

    static func compressionInsideMessage(_ opcode: Opcode) -> ProtocolViolation {
        ProtocolViolation(
            .protocolError, "RSV1 set on a \(opcode) frame; only a message's first frame may have it (RFC 7692 §6)")
    }

    static func corruptDeflate(_ reason: String) -> ProtocolViolation {
        ProtocolViolation(
            .invalidFramePayloadData, "a compressed message that is not valid DEFLATE: \(reason) (RFC 7692 §7.2.2)")
    }

    static var incompleteDeflate: ProtocolViolation {
        ProtocolViolation(
            .invalidFramePayloadData, "a compressed message that ends in the middle of a block (RFC 7692 §7.2.1)")
    }

    static func compressedFrameTooBig(_ length: UInt64, needed: Int, limit: Int) -> ProtocolViolation {
        ProtocolViolation(
            .messageTooBig,
            "a compressed frame, \(length) bytes; \(limit) need at most \(needed) (maximumFrameSize)")
    }

    static func compressedMessageTooBig(_ length: UInt64, needed: Int, limit: Int) -> ProtocolViolation {
        ProtocolViolation(
            .messageTooBig,
            "a compressed message, \(length) bytes; \(limit) need at most \(needed) (maximumMessageSize)")
    }

    static var noMemoryToDecompress: ProtocolViolation {
        ProtocolViolation(.internalError, "not enough memory to decompress a message")
    }

    // MARK: Messages

    static var continuationWithoutMessage: ProtocolViolation {
        ProtocolViolation(.protocolError, "a continuation frame without a message to continue (RFC 6455 §5.4)")
    }

    static func messageInsideMessage(_ opcode: Opcode) -> ProtocolViolation {
        ProtocolViolation(.protocolError, "a \(opcode) frame inside a fragmented message (RFC 6455 §5.4)")
    }

    static func messageTooBig(_ length: UInt64, limit: Int) -> ProtocolViolation {
        ProtocolViolation(
            .messageTooBig, "a message of at least \(length) bytes; at most \(limit) are allowed (maximumMessageSize)")
    }

    static func tooManyFragments(allowed: Int, limit: Int) -> ProtocolViolation {
        ProtocolViolation(
            .policyViolation,
            "more than \(allowed) fragments: \(limit) (maximumFragmentsPerMessage), "
                + "and one for every \(FrameReader.Limits.bytesForFragment) bytes")
    }

    static var invalidUTF8: ProtocolViolation {
        ProtocolViolation(.invalidFramePayloadData, "a text message that is not UTF-8 (RFC 6455 §8.1)")
    }

    // MARK: Close

    static var closePayloadOfOneByte: ProtocolViolation {
        ProtocolViolation(
            .protocolError, "a Close frame with a payload of one byte; a code takes two (RFC 6455 §5.5.1)")
    }

    static func invalidCloseCode(_ code: CloseCode) -> ProtocolViolation {
        ProtocolViolation(.protocolError, "close code \(code) must not be sent (RFC 6455 §7.4)")
    }

    static var invalidUTF8InCloseReason: ProtocolViolation {
        ProtocolViolation(.invalidFramePayloadData, "a close reason that is not UTF-8 (RFC 6455 §5.5.1)")
    }
}
