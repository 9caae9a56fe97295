import Lifeline
import LifelineTrace

/// The sequence diagram of a connection: two lifelines, and the steps as arrows between them.
///
/// It makes lines of text and writes nothing itself.
struct Diagram {
    /// One line of the diagram.
    enum Line {
        case text(String)
        /// An arrow, from its first stroke to its last; the last one is how it stays.
        case arrow([String])
    }

    /// The fewest columns in which the diagram can be read.
    static let minimumColumns = 60
    /// Wider arrows say no more.
    private static let maximumColumns = 96
    /// The columns left of the client's lifeline: the step's number, and its time.
    private static let leftMargin = 11
    /// The columns right of the server's lifeline: the phase.
    private static let rightMargin = 13
    /// The strokes in which an arrow is drawn where it is seen to move.
    private static let strokes = 12
    private static let boxWidth = 17

    private let terminal: Terminal
    private let glyphs: Glyphs
    /// The columns between the lifelines.
    private let span: Int

    init(terminal: Terminal, columns: Int) {
        self.terminal = terminal
        glyphs = terminal.usesUnicode ? .unicode : .ascii
        let width = min(columns, Diagram.maximumColumns)
        span = width - Diagram.leftMargin - Diagram.rightMargin - 3
    }

    // MARK: Beginning and end

    /// The boxes in which the lifelines begin.
    func header() -> [String] {
        let names = [("Client", WebSocketRole.client), ("Server", .server)].map { name, role in
            glyphs.boxEdge + terminal.paint(name.centered(in: Diagram.boxWidth - 2), .bold, ink(role)) + glyphs.boxEdge
        }
        let (top, bottom) = (edge(glyphs.boxTop), edge(glyphs.boxBottom))
        return [pair(top, top), pair(names[0], names[1]), pair(bottom, bottom)]
    }

    /// Where the lifelines end.
    func footer() -> String {
        let end = edge(glyphs.boxEnd)
        return pair(end, end)
    }

    /// A box's edge, its middle on the lifeline.
    private func edge(_ parts: (left: String, middle: String, right: String)) -> String {
        let half = String(repeating: String(glyphs.shaft), count: Diagram.boxWidth / 2 - 1)
        return parts.left + half + parts.middle + half + parts.right
    }

    /// Two rows of boxes, each around its lifeline.
    private func pair(_ client: String, _ server: String) -> String {
        let indent = String(repeating: " ", count: Diagram.leftMargin - Diagram.boxWidth / 2)
        return indent + client + String(repeating: " ", count: span + 1 - Diagram.boxWidth) + server
    }

    // MARK: Steps

    /// The lines of a step: what goes over the wire, and the arrow below it.
    ///
    /// - Parameters:
    ///   - isFirst: Whether the step is its phase's first.
    ///   - isLast: Whether the step is its phase's last.
    func lines(_ seen: SeenStep, isFirst: Bool, isLast: Bool) -> [Line] {
        var lines: [Line] = isFirst ? [.text(row("", content: "", phase: ""))] : []
        for (index, text) in rows(seen.content).enumerated() {
            let bracket =
                isFirst && index == 0
                ? glyphs.phaseBegin + " " + terminal.paint(seen.step.phase.rawValue, .bold)
                : glyphs.phaseMiddle
            let content = index == 0 ? text.centered(in: span) : terminal.paint(text.centered(in: span), .dim)
            lines.append(.text(row("", content: content, phase: bracket)))
        }
        let bracket = isLast ? glyphs.phaseEnd + note(seen) : glyphs.phaseMiddle
        let strokes = (1...Diagram.strokes).map { stroke in
            let length = span * stroke / Diagram.strokes
            let isWhole = stroke == Diagram.strokes
            return row(
                isWhole ? margin(seen) : "", content: terminal.paint(shaft(seen.step, length), ink(seen.step.sender)),
                phase: isWhole ? bracket : glyphs.phaseMiddle)
        }
        return lines + [.arrow(strokes)]
    }

    private func row(_ left: String, content: String, phase: String) -> String {
        let lifeline = String(glyphs.lifeline)
        let margin = left.isEmpty ? String(repeating: " ", count: Diagram.leftMargin) : left
        let content = content.isEmpty ? String(repeating: " ", count: span) : content
        return margin + lifeline + content + lifeline + (phase.isEmpty ? "" : " " + phase)
    }

    /// The step's number and its time, left of its arrow.
    private func margin(_ seen: SeenStep) -> String {
        let number = seen.step.number.map(String.init) ?? ""
        let time = seen.elapsed.text(unicode: terminal.usesUnicode)
        return terminal.paint(number.aligned(right: 2), .bold)
            + terminal.paint(time.aligned(right: Diagram.leftMargin - 3), .dim) + " "
    }

    /// What is worth saying at a phase's end, beside its bracket.
    private func note(_ seen: SeenStep) -> String {
        switch seen.step {
        case .pong:
            guard let roundTrip = seen.roundTrip else { return "" }
            return " " + terminal.paint("RTT " + roundTrip.text(unicode: terminal.usesUnicode), .yellow)
        case .push: return " " + terminal.paint("unasked", .yellow)
        default: return ""
        }
    }

    /// An arrow that has come so far.
    private func shaft(_ step: DemoStep, _ length: Int) -> String {
        let isTCP = step.number == nil
        let shaft = String(repeating: isTCP ? glyphs.tcpShaft : glyphs.shaft, count: max(length - 1, 0))
        let rest = String(repeating: " ", count: span - max(length, 1))
        return step.sender == .client
            ? shaft + String(glyphs.arrowRight) + rest : rest + String(glyphs.arrowLeft) + shaft
    }

    private func ink(_ role: WebSocketRole) -> Ink { role == .client ? .cyan : .magenta }

    /// Puts pieces of text on as few rows as they fit.
    private func rows(_ pieces: [String]) -> [String] {
        let room = span - 2
        var rows: [String] = []
        for piece in pieces.map({ $0.shown(on: terminal) }) {
            if let last = rows.last, (last + glyphs.dot + piece).displayWidth <= room {
                rows[rows.count - 1] = last + glyphs.dot + piece
            } else {
                rows.append(piece.truncated(to: room, ellipsis: glyphs.ellipsis))
            }
        }
        return rows
    }
}

extension String {
    /// A step's content as the terminal can show it.
    func shown(on terminal: Terminal) -> String {
        terminal.visible(terminal.usesUnicode ? self : split(separator: "§").joined(separator: "section "))
    }
}
