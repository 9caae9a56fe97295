import Lifeline

/// Renders diagrams as text: for terminals, with or without colours, and for files.
public struct TerminalRenderer: Sendable {
    /// The width in columns, at least ``minimumColumns``. Diagrams use at most 120 columns. Default: 80.
    public var columns: Int
    /// Whether to write colours, as escape sequences. Default: `false`.
    public var usesColor: Bool
    /// Whether to use characters outside ASCII. Default: `true`.
    public var usesUnicode: Bool

    /// The least width of a diagram, in columns.
    public static let minimumColumns = 40
    /// The greatest width of a diagram, in columns.
    package static let maximumColumns = 120

    /// Creates a renderer.
    public init(columns: Int = 80, usesColor: Bool = false, usesUnicode: Bool = true) {
        self.columns = columns
        self.usesColor = usesColor
        self.usesUnicode = usesUnicode
    }

    /// Returns the whole diagram.
    public func render(_ diagram: SequenceDiagram) -> String {
        let lines = header(diagram) + diagram.rows.flatMap { self.lines($0) } + footer()
        return lines.map { $0 + "\n" }.joined()
    }

    /// Returns several diagrams, one below the other. If there is more than one, each has a heading that names its predecessor.
    public func render(_ diagrams: [SequenceDiagram]) -> String {
        guard diagrams.count > 1 else { return diagrams.map { render($0) }.joined() }
        return diagrams.map { diagram in
            let heading = safe(diagram.heading).wrapped(to: width, ellipsis: rows.ellipsis)
            return heading.map { paint($0, .bold) + "\n" }.joined() + render(diagram)
        }.joined(separator: "\n")
    }

    /// The lines before the first row: the title and the names of the lifelines.
    package func header(_ diagram: SequenceDiagram) -> [String] {
        let title = safe(diagram.title).truncated(to: width, ellipsis: rows.ellipsis)
        let gap = max(1, span - 2)
        let names =
            rows.indent + paint("Client", .bold) + String(repeating: " ", count: max(1, gap - 8))
            + paint("Server", .bold)
        return (title.isEmpty ? [] : [paint(title, .bold)]) + [names]
    }

    /// The lines after the last row.
    package func footer() -> [String] {
        [rows.row(lifeline: usesUnicode ? "┴" : "+")]
    }

    /// Returns the lines of a row.
    package func lines(_ row: SequenceDiagram.Row) -> [String] {
        switch row {
        case .phase(let phase):
            let text = " " + phase.rawValue + " "
            let dashes = String(repeating: usesUnicode ? "╌" : "-", count: max(0, span - 2 - text.displayWidth))
            return [
                rows.indent + (usesUnicode ? "├" : "+")
                    + paint((usesUnicode ? "╌╌" : "--") + text + dashes, .dim) + (usesUnicode ? "┤" : "+")
            ]
        case .arrow(let arrow): return lines(arrow)
        case .note(let note): return lines(note)
        case .pause(let nanoseconds):
            let text = Duration.nanoseconds(nanoseconds).text(unicode: usesUnicode).centered(in: span)
            return [rows.row(content: paint(text, .dim), lifeline: usesUnicode ? "⋮" : ":")]
        case .repeats(let arrows, let times, let until):
            let what = SequenceDiagram.repetition(arrows, times)
            let text =
                "\(usesUnicode ? "⟳" : "~") \(what), until \(Duration.nanoseconds(until).text(unicode: usesUnicode))"
            return [
                rows.row(content: paint(text.truncated(to: span, ellipsis: rows.ellipsis).centered(in: span), .dim))
            ]
        }
    }

    // MARK: Rows

    private func lines(_ arrow: SequenceDiagram.Arrow) -> [String] {
        let ink = TerminalRenderer.ink(arrow.style)
        let room = span - 8
        let label = (arrow.number.map { "\($0) " } ?? "") + safe(arrow.label)
        var text = label + (arrow.content.isEmpty ? "" : " " + safe(arrow.content))
        var rest = arrow.details.map(safe)
        // The first details are on the arrow's line, as far as they fit.
        while let next = rest.first {
            // A header field is not part of the request or status line before it.
            let separator = arrow.style == .handshake && text == label ? "  " : rows.separator
            guard (text + separator + next).displayWidth <= room else { break }
            text += separator + next
            rest.removeFirst()
        }
        text = text.truncated(to: room, ellipsis: rows.ellipsis)
        let shaft = String(repeating: usesUnicode ? "─" : "-", count: max(2, span - text.displayWidth - 5))
        let drawn =
            arrow.from == .client
            ? " \(text) \(shaft)\(usesUnicode ? "▶" : ">") " : " \(usesUnicode ? "◀" : "<")\(shaft) \(text) "
        var lines = [rows.row(time(arrow.time), content: paint(rows.padded(drawn), ink))]
        for detail in rest {
            let cut = detail.truncated(to: span - 4, ellipsis: rows.ellipsis)
            let space = String(repeating: " ", count: max(0, span - 2 - cut.displayWidth))
            lines.append(
                rows.row(content: paint(arrow.from == .client ? "  " + cut + space : space + cut + "  ", .dim)))
        }
        return lines
    }

    private func lines(_ note: SequenceDiagram.Note) -> [String] {
        let mark = note.isWarning ? "!" : usesUnicode ? "·" : "*"
        var lines: [String] = []
        for (index, part) in safe(note.text).wrapped(to: span - 4, ellipsis: rows.ellipsis).enumerated() {
            let text = (index == 0 ? mark : " ") + " " + part
            let drawn =
                switch note.side {
                case .client: " " + text
                case .server: String(repeating: " ", count: max(0, span - 1 - text.displayWidth)) + text
                case nil: text.centered(in: span)
                }
            lines.append(
                rows.row(
                    index == 0 ? time(note.time) : "", content: paint(rows.padded(drawn), note.isWarning ? .red : .dim))
            )
        }
        return lines
    }

    // MARK: Parts

    private var width: Int { min(max(columns, TerminalRenderer.minimumColumns), TerminalRenderer.maximumColumns) }
    /// The columns of the time axis; none if there is little room.
    private var margin: Int { width < 56 ? 0 : 10 }
    /// The columns between the lifelines.
    private var span: Int { width - margin - 2 }
    private var rows: LifelineRows { LifelineRows(margin: margin, span: span, usesUnicode: usesUnicode) }

    private func time(_ nanoseconds: Int64) -> String {
        guard margin > 0 else { return "" }
        let text = nanoseconds == 0 ? "0" : Duration.nanoseconds(nanoseconds).text(unicode: usesUnicode)
        return paint(text.aligned(right: margin - 1), .dim) + " "
    }

    /// The text in characters that the terminal can show.
    private func safe(_ text: String) -> String {
        guard !usesUnicode else { return text }
        let plain = text.map { character -> String in
            switch character {
            case "“", "”": "\""
            case "…": "..."
            case "×": "x"
            case "µ": "u"
            default: String(character)
            }
        }
        return plain.joined().visible(unicode: false)
    }

    // MARK: Colours

    private static func ink(_ style: SequenceDiagram.Style) -> Ink {
        switch style {
        case .transport: .dim
        case .handshake: .blue
        case .text: .green
        case .binary: .cyan
        case .heartbeat: .magenta
        case .close: .yellow
        case .other: .red
        }
    }

    private func paint(_ text: String, _ ink: Ink) -> String {
        usesColor && !text.isEmpty ? Ink.paint(text, [ink]) : text
    }
}
