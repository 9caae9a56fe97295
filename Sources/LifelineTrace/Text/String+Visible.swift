/// Escaping of untrusted text before it is shown.
///
/// A terminal obeys control characters: a peer's message could move the cursor, overwrite earlier output, or insert input as if it were
/// typed. So control characters are always escaped.
extension String {
    /// Returns the text on one line, with control characters as escape sequences: `\n`, `\x1b`, `\u{202e}`.
    ///
    /// - Parameter unicode: Whether characters outside ASCII may be used. A terminal that does not use UTF-8 interprets some of their
    ///   bytes as control characters.
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

    /// Returns the text in quotes and on one line, with quotes and backslashes escaped too, so that its end is unambiguous.
    package func quoted(unicode: Bool = true) -> String {
        var escaped = ""
        for scalar in unicodeScalars {
            if scalar == "\"" || scalar == "\\" { escaped += "\\" }
            escaped.unicodeScalars.append(scalar)
        }
        return "\"" + escaped.visible(unicode: unicode) + "\""
    }

    /// Whether a character is invisible or affects the text around it.
    package static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F: true
        // Line and paragraph separators, and characters that change the direction of writing.
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        // Tags and byte order marks, which are invisible.
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
