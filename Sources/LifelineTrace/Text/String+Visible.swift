/// Text of strangers, made safe to show.
///
/// A terminal obeys control characters: a peer's message could move its cursor, rewrite what was shown before, or answer
/// on the keyboard's behalf. So none of them ever reaches a terminal as it is.
extension String {
    /// The text on one line, with every control character written as an escape: `\n`, `\x1b`, `\u{202e}`.
    ///
    /// - Parameter unicode: Whether characters outside ASCII may be shown. A terminal that does not read UTF-8 takes some
    ///   of their bytes for control characters.
    package func visible(unicode: Bool = true) -> String {
        guard unicodeScalars.contains(where: { String.isHidden($0) || !unicode && !$0.isASCII }) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            if String.isHidden(scalar) || !unicode && !scalar.isASCII {
                result += String.escape(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The text in quotes, on one line, with quotes and backslashes escaped too, so that its end is beyond doubt.
    package func quoted(unicode: Bool = true) -> String {
        var escaped = ""
        for scalar in unicodeScalars {
            if scalar == "\"" || scalar == "\\" { escaped += "\\" }
            escaped.unicodeScalars.append(scalar)
        }
        return "\"" + escaped.visible(unicode: unicode) + "\""
    }

    /// Whether a character acts upon what is around it, rather than being seen.
    package static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F: true
        // Line and paragraph separators, and what turns the direction of writing.
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        // Tags, and a byte order mark in the middle of things: nothing to be seen.
        case 0xFEFF, 0xE0000...0xE007F: true
        default: false
        }
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default:
            let digits = String(scalar.value, radix: 16)
            return scalar.value < 0x80
                ? "\\x" + (digits.count < 2 ? "0" : "") + digits
                : "\\u{" + digits + "}"
        }
    }
}
