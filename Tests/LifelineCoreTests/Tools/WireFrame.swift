import LifelineCore

/// A frame as it lies on the wire, valid or not, written and read without the core's own code so that it can bear
/// witness for it ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
struct WireFrame: Hashable, Sendable {
    /// The key that frames are masked with where a test does not care: that of the RFC's examples.
    static let exampleKey: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    var opcode: UInt8
    var isFinal = true
    /// RSV1, RSV2 and RSV3 as 4, 2 and 1.
    var reserved: UInt8 = 0
    var maskingKey: [UInt8]?
    var payload: [UInt8]
    /// The length to announce where it is to differ from the payload's.
    var declaredLength: UInt64?
    /// How many bytes the extended length takes (0, 2 or 8) where it is not to be the least possible.
    var lengthFieldSize: Int?

    /// The frame's bytes, masked where the frame has a key.
    var bytes: [UInt8] { header + maskedPayload }

    /// Everything before the payload.
    var header: [UInt8] {
        let length = declaredLength ?? UInt64(payload.count)
        let size = lengthFieldSize ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
        let first = (isFinal ? 0x80 : 0) | reserved << 4 | opcode
        let short = size == 0 ? UInt8(length) : size == 2 ? 126 : 127
        let extended = (0..<size).reversed().map { UInt8(truncatingIfNeeded: length >> UInt64($0 * 8)) }
        return [first, short | (maskingKey == nil ? 0 : 0x80)] + extended + (maskingKey ?? [])
    }

    private var maskedPayload: [UInt8] {
        guard let maskingKey else { return payload }
        return payload.enumerated().map { $1 ^ maskingKey[$0 % 4] }
    }

    /// The frame with a masking key.
    func masked(with key: [UInt8] = exampleKey) -> WireFrame {
        var frame = self
        frame.maskingKey = key
        return frame
    }

    /// The frame's bytes as this side must send them: masked exactly from a client (§5.1).
    func bytes(from role: WebSocketRole) -> [UInt8] {
        role == .client ? masked(with: maskingKey ?? WireFrame.exampleKey).bytes : bytes
    }
}

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

    /// The code that a Close frame bears, or `nil`.
    var closeCode: UInt16? {
        opcode == 0x8 && payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : nil
    }

    /// The payload as text.
    var text: String { String(decoding: payload, as: UTF8.self) }
}

extension [WireFrame] {
    /// The frames' bytes as this side must send them.
    func bytes(from role: WebSocketRole) -> [UInt8] { flatMap { $0.bytes(from: role) } }
}

extension WireFrame {
    /// Bytes that are not a sequence of complete frames.
    struct Incomplete: Error {}

    /// Reads complete frames, each with its key and its unmasked payload.
    static func parse(_ bytes: [UInt8]) throws -> [WireFrame] {
        var rest = bytes[...]
        var frames: [WireFrame] = []
        while !rest.isEmpty { frames.append(try parseOne(&rest)) }
        return frames
    }

    private static func parseOne(_ rest: inout ArraySlice<UInt8>) throws -> WireFrame {
        let start = try take(2, from: &rest)
        let short = start[1] & 0x7F
        let size = short == 126 ? 2 : short == 127 ? 8 : 0
        let extended = try take(size, from: &rest)
        let length = size == 0 ? Int(short) : extended.reduce(0) { $0 << 8 | Int($1) }
        let key = start[1] & 0x80 == 0 ? nil : try take(4, from: &rest)
        let payload = try take(length, from: &rest)
        return WireFrame(
            opcode: start[0] & 0x0F, isFinal: start[0] & 0x80 != 0, reserved: start[0] >> 4 & 0x7, maskingKey: key,
            payload: key.map { key in payload.enumerated().map { $1 ^ key[$0 % 4] } } ?? payload)
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<UInt8>) throws -> [UInt8] {
        guard count >= 0, rest.count >= count else { throw Incomplete() }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
