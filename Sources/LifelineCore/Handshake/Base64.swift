/// Base64 ([RFC 4648 §4](https://www.rfc-editor.org/rfc/rfc4648#section-4)) for the keys of the opening handshake. The
/// core does not use Foundation.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Returns `bytes` in base64, with padding.
    static func encode(_ bytes: [UInt8]) -> String {
        var characters: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32((3 - group.count) * 8)
            for position in 0..<4 {
                let index = Int(bits >> UInt32(18 - 6 * position)) & 63
                characters.append(position <= group.count ? alphabet[index] : UInt8(ascii: "="))
            }
        }
        return String(decoding: characters, as: UTF8.self)
    }

    /// Returns the number of bytes that `text` encodes; `nil` if it is not base64 with padding.
    ///
    /// The unused bits of the last character may be set, because some clients send random characters there.
    static func decodedCount(of text: String) -> Int? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 4), !characters.isEmpty else { return nil }
        let padding = characters.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard characters.dropLast(padding).allSatisfy(alphabet.contains) else { return nil }
        return characters.count / 4 * 3 - padding
    }
}
