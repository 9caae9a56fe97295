/// SHA-1 ([RFC 3174](https://www.rfc-editor.org/rfc/rfc3174)), which is used for the accept key only.
///
/// It protects nothing here: the accept key only shows that the server has read the request as a WebSocket handshake (RFC 6455 §1.3).
/// swift-crypto would add BoringSSL to the build: over a minute on a small machine, for a core that builds in seconds.
enum SHA1 {
    /// Returns the digest of `message`, 20 bytes.
    static func digest(of message: [UInt8]) -> [UInt8] {
        var state: (UInt32, UInt32, UInt32, UInt32, UInt32) =
            (0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0)
        let padded = pad(message)
        var schedule = [UInt32](repeating: 0, count: 80)
        for block in stride(from: 0, to: padded.count, by: 64) {
            for word in 0..<16 {
                let start = block + word * 4
                schedule[word] = padded[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
            for word in 16..<80 {
                let mixed = schedule[word - 3] ^ schedule[word - 8] ^ schedule[word - 14] ^ schedule[word - 16]
                schedule[word] = rotate(mixed, by: 1)
            }
            compress(schedule, into: &state)
        }
        return [state.0, state.1, state.2, state.3, state.4].flatMap { word in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
        }
    }

    /// §4: a one bit, zeros, and the length in bits, up to a multiple of 64 bytes.
    private static func pad(_ message: [UInt8]) -> [UInt8] {
        var padded = message + [0x80]
        padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
        let bitCount = UInt64(message.count) * 8
        padded += [56, 48, 40, 32, 24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bitCount >> UInt64($0)) }
        return padded
    }

    /// §6.1: eighty steps over one block.
    private static func compress(_ schedule: [UInt32], into state: inout (UInt32, UInt32, UInt32, UInt32, UInt32)) {
        var (a, b, c, d, e) = state
        for step in 0..<80 {
            let (function, constant): (UInt32, UInt32) =
                switch step {
                case ..<20: ((b & c) | (~b & d), 0x5A82_7999)
                case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                case ..<60: ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC)
                default: (b ^ c ^ d, 0xCA62_C1D6)
                }
            let sum = rotate(a, by: 5) &+ function &+ e &+ schedule[step] &+ constant
            (a, b, c, d, e) = (sum, a, rotate(b, by: 30), c, d)
        }
        state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e)
    }

    private static func rotate(_ word: UInt32, by bits: UInt32) -> UInt32 {
        word << bits | word >> (32 - bits)
    }
}
