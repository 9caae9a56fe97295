import LifelineTestSupport

/// Frames by their opcodes, masked as a client sends them.
extension WireFrame {
    /// A frame as a client sends it, masked with the key of the RFC's examples.
    static func client(
        _ opcode: UInt8, isFinal: Bool = true, reserved: UInt8 = 0, _ payload: [UInt8], declaredLength: UInt64? = nil
    ) -> WireFrame {
        WireFrame(
            opcode: opcode, isFinal: isFinal, reserved: reserved, maskingKey: exampleKey, payload: payload,
            declaredLength: declaredLength)
    }

    static func text(_ text: String) -> WireFrame { client(0x1, Array(text.utf8)) }

    static func binary(_ bytes: [UInt8]) -> WireFrame { client(0x2, bytes) }

    static func continuation(_ text: String) -> WireFrame { client(0x0, Array(text.utf8)) }

    static func ping(_ text: String = "") -> WireFrame { client(0x9, Array(text.utf8)) }

    static func pong(_ text: String = "") -> WireFrame { client(0xA, Array(text.utf8)) }

    /// A Close frame with a code and a reason.
    static func close(_ code: UInt16, _ reason: String = "") -> WireFrame {
        client(0x8, [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)] + reason.utf8)
    }

    /// A Close frame without a payload.
    static var emptyClose: WireFrame { client(0x8, []) }
}
