/// The width of text on a terminal.
extension String {
    /// The number of columns of the text: two for wide characters, none for combining ones. Terminals differ in details.
    package var displayWidth: Int {
        utf8.allSatisfy { $0 < 0x80 } ? utf8.count : reduce(0) { $0 + $1.displayWidth }
    }

    /// Returns the text, cut with an ellipsis if it is wider than `width`.
    package func truncated(to width: Int, ellipsis: String) -> String {
        guard displayWidth > width else { return self }
        var result = ""
        var room = width - ellipsis.displayWidth
        for character in self {
            room -= character.displayWidth
            guard room >= 0 else { break }
            result.append(character)
        }
        return width >= ellipsis.displayWidth ? result + ellipsis : ""
    }

    /// Returns the text in lines of at most `width`, broken at spaces. Longer words are cut. Blank text has no lines.
    package func wrapped(to width: Int, ellipsis: String) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in split(separator: " ") {
            let longer = line.isEmpty ? String(word) : line + " " + word
            if longer.displayWidth <= width {
                line = longer
            } else {
                if !line.isEmpty { lines.append(line) }
                line = String(word).truncated(to: width, ellipsis: ellipsis)
            }
        }
        return lines + (line.isEmpty ? [] : [line])
    }

    /// Returns the text, centered in a line of the given width.
    package func centered(in width: Int) -> String {
        let room = max(width - displayWidth, 0)
        return String(repeating: " ", count: room / 2) + self + String(repeating: " ", count: room - room / 2)
    }

    /// Returns the text, aligned to the right of a line of the given width.
    package func aligned(right width: Int) -> String {
        String(repeating: " ", count: max(width - displayWidth, 0)) + self
    }
}

extension Character {
    fileprivate var displayWidth: Int {
        guard let first = unicodeScalars.first else { return 0 }
        if first.properties.isEmojiPresentation { return 2 }
        switch first.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch first.value {
        // Hangul, CJK and its punctuation, kana, full-width forms (Unicode's East Asian Width).
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD:
            return 2
        default:
            return unicodeScalars.contains("\u{FE0F}") ? 2 : 1
        }
    }
}
