/// What a frame carries ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)): four bits.
///
/// An open set: it can represent values without a name. They fail the connection if a peer sends them.
public struct Opcode: RawRepresentable, Hashable, Sendable {
    /// The value on the wire, 0 to 15.
    public let rawValue: UInt8

    /// Creates the opcode with the low four bits of `rawValue`.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue & 0x0F
    }

    /// `0x0`: the next fragment of a message that an earlier frame began.
    public static var continuation: Opcode { Opcode(rawValue: 0x0) }
    /// `0x1`: a text message, or its first fragment.
    public static var text: Opcode { Opcode(rawValue: 0x1) }
    /// `0x2`: a binary message, or its first fragment.
    public static var binary: Opcode { Opcode(rawValue: 0x2) }
    /// `0x8`: the Close control frame.
    public static var close: Opcode { Opcode(rawValue: 0x8) }
    /// `0x9`: the Ping control frame.
    public static var ping: Opcode { Opcode(rawValue: 0x9) }
    /// `0xA`: the Pong control frame.
    public static var pong: Opcode { Opcode(rawValue: 0xA) }

    /// Whether this is the opcode of a control frame: its most significant bit is set (§5.5).
    @inlinable
    public var isControl: Bool { rawValue & 0x8 != 0 }

    /// Whether RFC 6455 reserves the opcode. A frame with a reserved opcode fails the connection.
    public var isReserved: Bool { (0x3...0x7).contains(rawValue) || rawValue > 0xA }
}

extension Opcode: CustomStringConvertible {
    /// The RFC's name of the opcode, such as `text`; its value in hexadecimal if it has none.
    public var description: String {
        switch self {
        case .continuation: "continuation"
        case .text: "text"
        case .binary: "binary"
        case .close: "close"
        case .ping: "ping"
        case .pong: "pong"
        default: "0x" + String(rawValue, radix: 16, uppercase: true)
        }
    }
}
