/// The character classes and lists of HTTP ([RFC 9110 §5.6](https://www.rfc-editor.org/rfc/rfc9110#section-5.6)).
package enum HTTPSyntax {
    /// Whether the byte may occur in a token (`tchar`).
    static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Whether the text is a token: one character at least, each a `tchar`.
    static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isTokenCharacter)
    }

    /// Whether the byte may occur in a field's value: visible, space, tab, or outside ASCII (§5.5).
    static func isFieldValueCharacter(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != 0x7F || byte == 0x09
    }

    /// Whether the byte is a decimal digit.
    package static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Whether the byte is a space or a tab.
    package static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09
    }

    /// Whether the text may be a request's target in origin form: a path, and a query after it.
    static func isOriginForm(_ text: some StringProtocol) -> Bool {
        text.utf8.first == UInt8(ascii: "/")
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
    }

    /// Whether the text may be a Host field's value: a name or an address, and a port after it
    /// ([RFC 3986 §3.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2)).
    static func isAuthority(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "#"), UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|"): false
            case UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "("), UInt8(ascii: ")"),
                UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="):
                true
            default: isTokenCharacter(byte)
            }
        }
    }

    /// Returns the members of a comma-separated list (§5.6.1), without the white space around them and without empty ones.
    package static func listMembers(of values: [String]) -> [Substring] {
        values.flatMap { $0.split(separator: ",") }.map(trimmed).filter { !$0.isEmpty }
    }

    /// Quotes a peer's text for a message: the first 40 bytes, with `?` for each byte that is not visible ASCII.
    static func quoted(_ text: some StringProtocol) -> String {
        let limit = 40
        let shown = text.utf8.prefix(limit).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
        return "\"" + String(decoding: shown, as: UTF8.self) + (text.utf8.count > limit ? "…" : "") + "\""
    }

    /// Returns the text without spaces and tabs at its ends.
    static func trimmed(_ text: Substring) -> Substring { Substring(trimmed(text.utf8)) }

    /// Returns the bytes without spaces and tabs at their ends.
    package static func trimmed<Bytes: Collection<UInt8>>(_ bytes: Bytes) -> Bytes where Bytes.SubSequence == Bytes {
        let bytes = bytes.drop(while: isWhitespace)
        var end = bytes.startIndex
        for index in bytes.indices where !isWhitespace(bytes[index]) { end = bytes.index(after: index) }
        return bytes[..<end]
    }

    /// Whether two texts are equal, apart from the case of ASCII letters.
    package static func isEqualIgnoringCase(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
        left.utf8.elementsEqual(right.utf8) { lowercased($0) == lowercased($1) }
    }

    /// Returns the byte; an ASCII capital in lower case.
    package static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
