import Lifeline
import LifelineTrace

/// Builds the lines of the demo's sequence diagram: two lifelines, and the steps as arrows between them.
struct Diagram {
    /// One line of the diagram.
    enum Line {
        case text(String)
        /// An arrow in the stages of its movement. The last one stays.
        case arrow([String])
    }

    /// The fewest columns in which the diagram is readable.
    static let minimumColumns = 60
    /// The most columns: wider arrows are not clearer.
    private static let maximumColumns = 96
    /// The columns left of the client's lifeline, for the step's number and time.
    private static let leftMargin = 11
    /// The columns right of the server's lifeline, for the phase.
    private static let rightMargin = 13
    /// The stages of an arrow's movement.
    private static let strokes = 12
    private static let boxWidth = 17

    private let terminal: Terminal
    private let glyphs: Glyphs
    private let rows: LifelineRows

    init(terminal: Terminal, columns: Int) {
        self.terminal = terminal
        glyphs = terminal.usesUnicode ? .unicode : .ascii
        rows = LifelineRows(
            margin: Diagram.leftMargin,
            span: min(columns, Diagram.maximumColumns) - Diagram.leftMargin - Diagram.rightMargin - 3,
            usesUnicode: terminal.usesUnicode)
    }

    private var span: Int { rows.span }

    // MARK: Beginning and end

    /// The boxes at the lifelines' beginnings.
    func header() -> [String] {
        let names = [("Client", WebSocketRole.client), ("Server", .server)].map { name, role in
            glyphs.boxEdge + terminal.paint(name.centered(in: Diagram.boxWidth - 2), .bold, ink(role)) + glyphs.boxEdge
        }
        let (top, bottom) = (edge(glyphs.boxTop), edge(glyphs.boxBottom))
        return [pair(top, top), pair(names[0], names[1]), pair(bottom, bottom)]
    }

    /// The lifelines' ends.
    func footer() -> String {
        let end = edge(glyphs.boxEnd)
        return pair(end, end)
    }

    /// A box's edge, with its middle on the lifeline.
    private func edge(_ parts: (left: String, middle: String, right: String)) -> String {
        let half = String(repeating: String(glyphs.shaft), count: Diagram.boxWidth / 2 - 1)
        return parts.left + half + parts.middle + half + parts.right
    }

    /// A row of both boxes.
    private func pair(_ client: String, _ server: String) -> String {
        let indent = String(repeating: " ", count: Diagram.leftMargin - Diagram.boxWidth / 2)
        return indent + client + String(repeating: " ", count: span + 1 - Diagram.boxWidth) + server
    }

    // MARK: Steps

    /// The lines of a step: its content, and the arrow below.
    ///
    /// - Parameters:
    ///   - isFirst: Whether the step is its phase's first.
    ///   - isLast: Whether the step is its phase's last.
    func lines(_ seen: SeenStep, isFirst: Bool, isLast: Bool) -> [Line] {
        var lines: [Line] = isFirst ? [.text(rows.row())] : []
        for (index, text) in rows.fitted(seen.content.map { $0.shown(on: terminal) }, to: span - 2).enumerated() {
            let bracket =
                isFirst && index == 0
                ? glyphs.phaseBegin + " " + terminal.paint(seen.step.phase.rawValue, .bold)
                : glyphs.phaseMiddle
            let content = index == 0 ? text.centered(in: span) : terminal.paint(text.centered(in: span), .dim)
            lines.append(.text(rows.row(content: content, right: bracket)))
        }
        let bracket = isLast ? glyphs.phaseEnd + note(seen) : glyphs.phaseMiddle
        let strokes = (1...Diagram.strokes).map { stroke in
            let length = span * stroke / Diagram.strokes
            let isWhole = stroke == Diagram.strokes
            return rows.row(
                isWhole ? margin(seen) : "", content: terminal.paint(shaft(seen.step, length), ink(seen.step.sender)),
                right: isWhole ? bracket : glyphs.phaseMiddle)
        }
        return lines + [.arrow(strokes)]
    }

    /// The step's number and its time, left of its arrow.
    private func margin(_ seen: SeenStep) -> String {
        let number = seen.step.number.map(String.init) ?? ""
        let time = seen.elapsed.text(unicode: terminal.usesUnicode)
        return terminal.paint(number.aligned(right: 2), .bold)
            + terminal.paint(time.aligned(right: Diagram.leftMargin - 3), .dim) + " "
    }

    /// A remark at a phase's end, beside its bracket.
    private func note(_ seen: SeenStep) -> String {
        switch seen.step {
        case .pong:
            guard let roundTrip = seen.roundTrip else { return "" }
            return " " + terminal.paint("RTT " + roundTrip.text(unicode: terminal.usesUnicode), .yellow)
        case .push: return " " + terminal.paint("unsolicited", .yellow)
        default: return ""
        }
    }

    /// An arrow of this length.
    private func shaft(_ step: DemoStep, _ length: Int) -> String {
        let isTCP = step.number == nil
        let shaft = String(repeating: isTCP ? glyphs.tcpShaft : glyphs.shaft, count: max(length - 1, 0))
        let rest = String(repeating: " ", count: span - max(length, 1))
        return step.sender == .client
            ? shaft + String(glyphs.arrowRight) + rest : rest + String(glyphs.arrowLeft) + shaft
    }

    private func ink(_ role: WebSocketRole) -> Ink { role == .client ? .cyan : .magenta }
}

extension String {
    /// The text in characters that the terminal can show.
    func shown(on terminal: Terminal) -> String {
        terminal.visible(terminal.usesUnicode ? self : split(separator: "§").joined(separator: "section "))
    }
}
