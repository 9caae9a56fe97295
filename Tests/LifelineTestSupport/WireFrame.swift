package import LifelineCore

/// A frame as it lies on the wire, valid or not, written and read without the library's own code so that it can bear
/// witness for it ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
package struct WireFrame: Hashable, Sendable {
    /// The key that frames are masked with where a test does not care: that of the RFC's examples.
    package static let exampleKey: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    package var opcode: UInt8
    package var isFinal: Bool
    /// RSV1, RSV2 and RSV3 as 4, 2 and 1.
    package var reserved: UInt8
    package var maskingKey: [UInt8]?
    package var payload: [UInt8]
    /// The length to announce where it is to differ from the payload's.
    package var declaredLength: UInt64?
    /// How many bytes the extended length takes (0, 2 or 8) where it is not to be the least possible.
    package var lengthFieldSize: Int?

    /// A frame without a masking key, with the least possible length, where the caller does not say otherwise.
    package init(
        opcode: UInt8, isFinal: Bool = true, reserved: UInt8 = 0, maskingKey: [UInt8]? = nil, payload: [UInt8],
        declaredLength: UInt64? = nil, lengthFieldSize: Int? = nil
    ) {
        self.opcode = opcode
        self.isFinal = isFinal
        self.reserved = reserved
        self.maskingKey = maskingKey
        self.payload = payload
        self.declaredLength = declaredLength
        self.lengthFieldSize = lengthFieldSize
    }

    /// The frame's bytes, masked where the frame has a key.
    package var bytes: [UInt8] { header + maskedPayload }

    /// Everything before the payload.
    package var header: [UInt8] {
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
    package func masked(with key: [UInt8] = exampleKey) -> WireFrame {
        var frame = self
        frame.maskingKey = key
        return frame
    }

    /// The frame without a masking key, as a server sends it.
    package var unmasked: WireFrame {
        var frame = self
        frame.maskingKey = nil
        return frame
    }

    /// The frame as the first or a middle one of its message.
    package var unfinished: WireFrame {
        var frame = self
        frame.isFinal = false
        return frame
    }

    /// The frame's bytes as this side must send them: masked exactly from a client (§5.1).
    package func bytes(from role: WebSocketRole) -> [UInt8] {
        role == .client ? masked(with: maskingKey ?? WireFrame.exampleKey).bytes : bytes
    }
}

extension [WireFrame] {
    /// The frames' bytes as this side must send them.
    package func bytes(from role: WebSocketRole) -> [UInt8] { flatMap { $0.bytes(from: role) } }
}

extension WireFrame {
    /// The code that a Close frame bears, or `nil`.
    package var closeCode: UInt16? {
        opcode == 0x8 && payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : nil
    }

    /// The payload as text.
    package var text: String { String(decoding: payload, as: UTF8.self) }

    /// Bytes that are not a sequence of complete frames.
    package struct Incomplete: Error {}

    /// Reads complete frames, each with its key and its unmasked payload.
    package static func parse(_ bytes: [UInt8]) throws -> [WireFrame] {
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
