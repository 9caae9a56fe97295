/// A frame's header: everything before its payload
/// ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
public struct FrameHeader: Hashable, Sendable {
    /// The most bytes of a header: two, a 64-bit length, and a masking key.
    package static let maximumLength = 14

    /// Whether the frame is the last fragment of its message.
    public var isFinal: Bool
    /// The first reserved bit; permessage-deflate sets it on the first frame of a compressed message (RFC 7692 §6).
    public var rsv1: Bool
    /// The second reserved bit, which no supported extension uses.
    public var rsv2: Bool
    /// The third reserved bit, which no supported extension uses.
    public var rsv3: Bool
    /// What the frame carries.
    public var opcode: Opcode
    /// The key that masks the payload; `nil` if it is not masked.
    public var maskingKey: MaskingKey?
    /// The payload's length in bytes.
    public var payloadLength: UInt64

    /// Creates a header with the given fields.
    public init(
        opcode: Opcode, isFinal: Bool = true, rsv1: Bool = false, rsv2: Bool = false, rsv3: Bool = false,
        maskingKey: MaskingKey? = nil, payloadLength: UInt64
    ) {
        self.isFinal = isFinal
        self.rsv1 = rsv1
        self.rsv2 = rsv2
        self.rsv3 = rsv3
        self.opcode = opcode
        self.maskingKey = maskingKey
        self.payloadLength = payloadLength
    }

    /// The header's length on the wire, 2 to 14 bytes.
    public var encodedLength: Int {
        FrameHeader.encodedLength(payloadLength: payloadLength, isMasked: maskingKey != nil)
    }

    /// Returns the length of a header on the wire, 2 to 14 bytes.
    package static func encodedLength(payloadLength: UInt64, isMasked: Bool) -> Int {
        let lengthField =
            switch payloadLength {
            case ...125: 0
            case ...0xFFFF: 2
            default: 8
            }
        return 2 + lengthField + (isMasked ? 4 : 0)
    }

    /// Writes the header in its shortest form, as §5.2 requires.
    ///
    /// - Parameter bytes: Room for at least ``maximumLength`` bytes.
    /// - Returns: The number of bytes written.
    @inline(__always)
    package func encode(into bytes: UnsafeMutableRawPointer) -> Int {
        let flags: UInt8 = (isFinal ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | (rsv2 ? 0x20 : 0) | (rsv3 ? 0x10 : 0)
        let maskBit: UInt8 = maskingKey == nil ? 0 : 0x80
        var length = 2
        bytes.storeBytes(of: flags | opcode.rawValue, as: UInt8.self)
        if payloadLength <= 125 {
            bytes.storeBytes(of: maskBit | UInt8(truncatingIfNeeded: payloadLength), toByteOffset: 1, as: UInt8.self)
        } else if payloadLength <= 0xFFFF {
            bytes.storeBytes(of: maskBit | 126, toByteOffset: 1, as: UInt8.self)
            bytes.storeBytes(of: UInt16(payloadLength).bigEndian, toByteOffset: 2, as: UInt16.self)
            length = 4
        } else {
            bytes.storeBytes(of: maskBit | 127, toByteOffset: 1, as: UInt8.self)
            bytes.storeBytes(of: payloadLength.bigEndian, toByteOffset: 2, as: UInt64.self)
            length = 10
        }
        if let maskingKey {
            bytes.storeBytes(of: maskingKey.word, toByteOffset: length, as: UInt32.self)
            length += 4
        }
        return length
    }
}
