import LifelineTrace

/// The line at the bottom of the terminal on which a person types, while messages appear above it.
///
/// The terminal's own line editing is left as it is: what has been typed so far is known to the terminal alone, so lines are
/// inserted above it, and it is never written again.
struct Prompt {
    private let terminal: Terminal
    private let mark: String

    init(terminal: Terminal) {
        self.terminal = terminal
        mark = terminal.paint(">", .green) + " "
    }

    /// Shows the mark behind which is typed.
    func begin() throws(OutputClosed) {
        try terminal.write(mark)
    }

    /// Takes the line away on which nothing more is typed.
    func end() throws(OutputClosed) {
        try terminal.write("\r\u{1B}[K")
    }

    /// Shows a line above the one that is being typed.
    func insert(_ line: String) throws(OutputClosed) {
        let rows = height(of: line)
        guard rows < terminal.rows else {
            // More than a screen: what is being typed is out of sight, and still there.
            return try terminal.write("\r\u{1B}[K" + line + "\n" + mark)
        }
        let save = "\u{1B}7"
        let restore = "\u{1B}8"
        // Room at the bottom, which may scroll; back up; room above; the line; and back to where was typed.
        try terminal.write(
            save + String(repeating: "\n", count: rows) + "\u{1B}[\(rows)A\u{1B}[\(rows)L\r" + line + restore
                + "\u{1B}[\(rows)B")
    }

    /// The line that was typed has been sent, and the next begins.
    ///
    /// - Parameters:
    ///   - line: The line as it is to be shown.
    ///   - replaces: Whether to show it so, in the place of what was typed.
    func lineWasTyped(_ line: String, replaces: Bool) throws(OutputClosed) {
        let text = replaces && height(of: line) == 1 ? "\u{1B}[A\r\u{1B}[K" + line + "\n" : ""
        try terminal.write(text + mark)
    }

    private func height(of line: String) -> Int {
        max(1, (line.withoutColors.displayWidth + terminal.columns - 1) / max(terminal.columns, 1))
    }
}

extension String {
    /// The text without the colours that this command gave it; it holds no other escape sequences.
    fileprivate var withoutColors: String {
        var result = ""
        var isInside = false
        for scalar in unicodeScalars {
            if scalar == "\u{1B}" {
                isInside = true
            } else if isInside {
                if scalar == "m" { isInside = false }
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
