/// Builds the rows of a diagram in characters: a left margin, the client's lifeline, the content, the server's
/// lifeline.
package struct LifelineRows: Sendable {
    /// The columns left of the client's lifeline.
    package let margin: Int
    /// The columns between the lifelines.
    package let span: Int
    let usesUnicode: Bool

    package init(margin: Int, span: Int, usesUnicode: Bool) {
        self.margin = margin
        self.span = span
        self.usesUnicode = usesUnicode
    }

    var lifeline: String { usesUnicode ? "│" : "|" }
    var ellipsis: String { usesUnicode ? "…" : "..." }
    var separator: String { usesUnicode ? " · " : ", " }
    /// An empty margin.
    var indent: String { String(repeating: " ", count: margin) }

    /// A row.
    ///
    /// - Parameters:
    ///   - left: The left margin's text, of exactly the margin's width; empty for spaces.
    ///   - content: What is between the lifelines, as wide as ``span``; empty for spaces.
    ///   - right: What follows the server's lifeline after a space; empty for nothing.
    ///   - lifeline: What the lifelines are drawn with; `nil` for a line.
    package func row(_ left: String = "", content: String = "", right: String = "", lifeline: String? = nil) -> String {
        let line = lifeline ?? self.lifeline
        return (left.isEmpty ? indent : left) + line + (content.isEmpty ? padded("") : content) + line
            + (right.isEmpty ? "" : " " + right)
    }

    /// The text with spaces behind it, as wide as ``span``.
    func padded(_ text: String) -> String {
        text + String(repeating: " ", count: max(0, span - text.displayWidth))
    }

    /// Joins texts, separated by a dot or a comma, into as few rows of at most this many columns as possible.
    package func fitted(_ texts: [String], to columns: Int) -> [String] {
        var rows: [String] = []
        for text in texts {
            if let last = rows.last, (last + separator + text).displayWidth <= columns {
                rows[rows.count - 1] = last + separator + text
            } else {
                rows.append(text.truncated(to: columns, ellipsis: ellipsis))
            }
        }
        return rows
    }
}
