import LifelineTrace

/// The line at the bottom of the terminal on which the user types, while messages appear above it.
///
/// The terminal does the line editing. Only the terminal knows what was typed so far, so the prompt inserts lines above
/// that, and never writes it again.
struct Prompt {
    private let terminal: Terminal
    private let mark: String

    init(terminal: Terminal) {
        self.terminal = terminal
        mark = terminal.paint(">", .green) + " "
    }

    /// Shows the mark before the typed text.
    func begin() throws(OutputClosed) {
        try terminal.write(mark)
    }

    /// Removes the line.
    func end() throws(OutputClosed) {
        try terminal.write("\r\u{1B}[K")
    }

    /// Shows a line above the prompt.
    func insert(_ line: String) throws(OutputClosed) {
        let rows = height(of: line)
        guard rows < terminal.rows else {
            // The line fills the screen. What was typed is out of sight, but not lost.
            return try terminal.write("\r\u{1B}[K" + line + "\n" + mark)
        }
        let save = "\u{1B}7"
        let restore = "\u{1B}8"
        // Make room at the bottom, which may scroll; go up; insert rows; write the line; go back to the cursor's place.
        try terminal.write(
            save + String(repeating: "\n", count: rows) + "\u{1B}[\(rows)A\u{1B}[\(rows)L\r" + line + restore
                + "\u{1B}[\(rows)B")
    }

    /// Starts the next line, after the typed one was sent.
    ///
    /// - Parameters:
    ///   - line: The sent line, as the transcript shows it.
    ///   - replaces: Whether to show it in place of what was typed.
    func lineWasTyped(_ line: String, replaces: Bool) throws(OutputClosed) {
        let text = replaces && height(of: line) == 1 ? "\u{1B}[A\r\u{1B}[K" + line + "\n" : ""
        try terminal.write(text + mark)
    }

    private func height(of line: String) -> Int {
        max(1, (line.withoutColors.displayWidth + terminal.columns - 1) / max(terminal.columns, 1))
    }
}

extension String {
    /// The text without its colours. It has no other escape sequences.
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
