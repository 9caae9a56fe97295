/// Conversion between bytes and hexadecimal digits.
package enum Hexadecimal {
    /// Returns the bytes as pairs of digits, with the separator between pairs.
    package static func text(_ bytes: some Collection<UInt8>, separator: String = "") -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: separator)
    }

    /// Parses pairs of digits, with optional spaces between pairs; `nil` if the text is malformed.
    package static func bytes(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var high: UInt8?
        for character in text {
            if let digit = digit(character) {
                if let first = high.take() { result.append(first << 4 | digit) } else { high = digit }
            } else {
                let isSpace = character == UInt8(ascii: " ") || character == UInt8(ascii: "\t") || character == 0x0D
                guard isSpace, high == nil else { return nil }
            }
        }
        return high == nil ? result : nil
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
