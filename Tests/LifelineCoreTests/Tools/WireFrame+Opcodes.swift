import LifelineTestSupport

/// Frames by their opcodes, unmasked; a test that sends them from a client masks them.
extension WireFrame {
    static func text(_ text: String, isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: 0x1, isFinal: isFinal, payload: Array(text.utf8))
    }

    /// A text frame whose bytes need not be text.
    static func text(_ bytes: [UInt8], isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: 0x1, isFinal: isFinal, payload: bytes)
    }

    static func binary(_ bytes: [UInt8], isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: 0x2, isFinal: isFinal, payload: bytes)
    }

    static func continuation(_ bytes: [UInt8], isFinal: Bool) -> WireFrame {
        WireFrame(opcode: 0x0, isFinal: isFinal, payload: bytes)
    }

    static func continuation(_ text: String, isFinal: Bool) -> WireFrame {
        .continuation(Array(text.utf8), isFinal: isFinal)
    }

    static func ping(_ text: String = "") -> WireFrame { WireFrame(opcode: 0x9, payload: Array(text.utf8)) }

    static func pong(_ text: String = "") -> WireFrame { WireFrame(opcode: 0xA, payload: Array(text.utf8)) }

    /// A Close frame with a code and a reason.
    static func close(_ code: UInt16, _ reason: String = "") -> WireFrame {
        WireFrame(opcode: 0x8, payload: [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)] + reason.utf8)
    }

    /// A Close frame without a payload.
    static var emptyClose: WireFrame { WireFrame(opcode: 0x8, payload: []) }
}
