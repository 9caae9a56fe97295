import Lifeline

/// Renders diagrams as SVG: one self-contained file for light and dark backgrounds.
public struct SVGRenderer: Sendable {
    /// The image's width in pixels, from 480 to 100 000. Default: 840.
    public var width: Int

    /// Creates a renderer.
    public init(width: Int = 840) {
        self.width = max(width, 480)
    }

    private let margin = 24
    private let timeColumn = 84
    private let rowHeight = 30
    private let detailHeight = 16
    private let headingHeight = 34
    /// The width of a character, in sizes of the font: about that of the widest of the fonts, which all have characters
    /// of one width.
    private static let characterWidth = 0.605
    /// The space between a lifeline and a text.
    private let gap = 16

    /// The most pixels that a picture can have.
    private static let maximumWidth = 100_000

    private var left: Int { margin + timeColumn }
    private var right: Int { drawnWidth - margin - nameWidth / 2 }
    private var drawnWidth: Int { min(max(width, 480), SVGRenderer.maximumWidth) }

    /// The width of the boxes around the names.
    private let nameWidth = 80

    /// The columns between the lifelines for a font of this size.
    private func columns(_ fontSize: Double = 12) -> Int {
        Int(Double(right - left - 2 * gap) / (fontSize * SVGRenderer.characterWidth))
    }

    /// Returns an image of a diagram.
    public func render(_ diagram: SequenceDiagram) -> String { render([diagram]) }

    /// Returns one image of several diagrams, one below the other. If there is more than one, each has a heading that names its
    /// predecessor, and its own lifelines.
    public func render(_ diagrams: [SequenceDiagram]) -> String {
        let width = drawnWidth
        var body: [String] = []
        var lifelines: [String] = []
        var y = 96
        for (index, diagram) in diagrams.enumerated() {
            var start = 76
            if diagrams.count > 1 {
                if index > 0 { y += 20 }
                body.append(text("heading", (left + right) / 2, y + 8, heading(diagram, in: diagrams)))
                y += headingHeight
                if index > 0 { start = y - 16 }
            }
            for row in diagram.rows {
                let (elements, height) = draw(row, at: y)
                body += elements
                y += height
            }
            y += 8
            for x in [left, right] { lifelines.append("<line x1=\"\(x)\" y1=\"\(start)\" x2=\"\(x)\" y2=\"\(y)\"/>") }
        }
        let height = y + 20
        let title = diagrams.first?.title ?? ""
        let shown = escape(
            title.truncated(
                to: Int(Double(width - 2 * margin) / (14 * SVGRenderer.characterWidth)), ellipsis: "…"))
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
            role="img" aria-labelledby="title description">
            <title id="title">\(escape(title))</title>
            <desc id="description">\(escape(diagrams.map { description($0, in: diagrams) }.joined(separator: "; ")))</desc>
            <style>
            \(SVGRenderer.style)
            </style>
            <rect class="paper" width="\(width)" height="\(height)"/>
            <text class="title" x="\(margin)" y="32">\(shown)</text>
            <g class="lifelines">
            \(lifelines.joined(separator: "\n"))
            </g>
            <g class="names">
            <rect x="\(left - nameWidth / 2)" y="50" width="\(nameWidth)" height="26" rx="5"/><text x="\(left)" y="67">Client</text>
            <rect x="\(right - nameWidth / 2)" y="50" width="\(nameWidth)" height="26" rx="5"/><text x="\(right)" y="67">Server</text>
            </g>
            \(body.joined(separator: "\n"))
            </svg>

            """
    }

    /// Returns the heading of one diagram among several, with its title if that differs from the first one's.
    private func heading(_ diagram: SequenceDiagram, in diagrams: [SequenceDiagram]) -> String {
        let title = diagram.title == diagrams[0].title ? "" : ": " + diagram.title
        return (diagram.heading + title).truncated(to: columns(), ellipsis: "…")
    }

    /// Returns a description of a diagram for screen readers.
    private func description(_ diagram: SequenceDiagram, in diagrams: [SequenceDiagram]) -> String {
        let arrows = diagram.arrows.map { arrow in
            "\(arrow.from.rawValue) to \(arrow.from.peer.rawValue): \(arrow.label)"
                + (arrow.content.isEmpty ? "" : " \(arrow.content)")
        }
        return ((diagrams.count > 1 ? [diagram.heading] : []) + arrows).joined(separator: "; ")
    }

    // MARK: Rows

    private func draw(_ row: SequenceDiagram.Row, at y: Int) -> (elements: [String], height: Int) {
        let middle = (left + right) / 2
        switch row {
        case .phase(let phase):
            return (
                [
                    "<line class=\"phase\" x1=\"\(left)\" y1=\"\(y + 12)\" x2=\"\(right)\" y2=\"\(y + 12)\"/>",
                    text("phase", middle, y + 8, phase.rawValue),
                ], rowHeight
            )
        case .arrow(let arrow): return draw(arrow, at: y)
        case .note(let note): return draw(note, at: y)
        case .pause(let nanoseconds):
            return ([text("pause", middle, y + 18, Duration.nanoseconds(nanoseconds).text() + " later")], rowHeight)
        case .repeats(let arrows, let times, let until):
            let what = SequenceDiagram.repetition(arrows, times)
            return (
                [text("repeats", middle, y + 18, "⟳ \(what), until \(Duration.nanoseconds(until).text())")], rowHeight
            )
        }
    }

    private func draw(_ arrow: SequenceDiagram.Arrow, at y: Int) -> (elements: [String], height: Int) {
        let isFromClient = arrow.from == .client
        let line = y + rowHeight - 8
        let (start, tip) = isFromClient ? (left, right) : (right, left)
        let sign = isFromClient ? -1 : 1
        var elements = ["<g class=\"arrow \(arrow.style.rawValue)\">"]
        elements.append(time(arrow.time, line + 4))
        elements.append("<line x1=\"\(start)\" y1=\"\(line)\" x2=\"\(tip + sign * 11)\" y2=\"\(line)\"/>")
        elements.append(
            "<path d=\"M\(tip) \(line)l\(sign * 13) -6v12z\"/>")
        let number = arrow.number.map { "<tspan class=\"number\">\($0)</tspan>" } ?? ""
        // The number, the gap of less than a column behind it, the label, and a space.
        let taken = (arrow.number.map { "\($0)".count + 1 } ?? 0) + arrow.label.displayWidth + 1
        let content = arrow.content.truncated(to: max(4, columns() - taken), ellipsis: "…")
        let x = isFromClient ? left + gap : right - gap
        let anchor = isFromClient ? "start" : "end"
        elements.append(
            "<text class=\"label\" x=\"\(x)\" y=\"\(line - 6)\" text-anchor=\"\(anchor)\">"
                + number + "<tspan class=\"name\"\(number.isEmpty ? "" : " dx=\"6\"")>\(escape(arrow.label))</tspan>"
                + (content.isEmpty ? "" : " <tspan class=\"content\">\(escape(content))</tspan>") + "</text>")
        var height = rowHeight
        let parts = arrow.details.flatMap { $0.wrapped(to: columns(11), ellipsis: "…") }
        for detail in details.fitted(parts, to: columns(11)) {
            elements.append(
                "<text class=\"detail\" x=\"\(x)\" y=\"\(y + height + 7)\" text-anchor=\"\(anchor)\">\(escape(detail))</text>"
            )
            height += detailHeight
        }
        elements.append("</g>")
        return (elements, height + (arrow.details.isEmpty ? 4 : 8))
    }

    private func draw(_ note: SequenceDiagram.Note, at y: Int) -> (elements: [String], height: Int) {
        let (x, anchor) =
            switch note.side {
            case .client: (left + 12, "start")
            case .server: (right - 12, "end")
            case nil: ((left + right) / 2, "middle")
            }
        var elements = [time(note.time, y + 18)]
        var height = 4
        let lines = note.text.wrapped(to: columns(), ellipsis: "…")
        for line in lines.isEmpty ? [""] : lines {
            elements.append(
                "<text class=\"note\(note.isWarning ? " warning" : "")\" x=\"\(x)\" y=\"\(y + height + 14)\" "
                    + "text-anchor=\"\(anchor)\">\(escape(line))</text>")
            height += detailHeight
        }
        return (elements, height + 8)
    }

    private var details: LifelineRows { LifelineRows(margin: 0, span: 0, usesUnicode: true) }

    private func time(_ nanoseconds: Int64, _ y: Int) -> String {
        text("time", left - 12, y, nanoseconds == 0 ? "0" : Duration.nanoseconds(nanoseconds).text())
    }

    private func text(_ style: String, _ x: Int, _ y: Int, _ text: String) -> String {
        "<text class=\"\(style)\" x=\"\(x)\" y=\"\(y)\">\(escape(text))</text>"
    }

    /// Escapes text for XML (XML 1.0 §2.2, §2.4).
    private func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case _ where String.isHidden(scalar) || scalar.value & 0xFFFE == 0xFFFE: result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The style sheet. It repeats the colours and does not use variables, because some programs that draw SVG do not support them.
    private static let style =
        """
        svg{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
        .title{font-size:14px;font-weight:600}.lifelines line{stroke-width:1.5}
        .names text,.phase,.pause,.repeats,.heading{text-anchor:middle}.names text,.heading{font-weight:600}
        line.phase{stroke-dasharray:2 4}.time{text-anchor:end;font-size:11px}.detail{font-size:11px}
        .number{font-weight:600}.content{unicode-bidi:isolate}.arrow line{stroke-width:1.5}
        .transport line{stroke-dasharray:5 3}

        """ + light.rules + "\n@media(prefers-color-scheme:dark){\n" + dark.rules + "\n}"

    /// Colours. Each has a contrast of at least 4.5 to the background (`paper`).
    private struct Palette {
        var paper: String
        var ink: String
        var dim: String
        var line: String
        var warning: String
        var styles: [(SequenceDiagram.Style, String)]

        var rules: String {
            var rules = [
                ".paper,.names rect{fill:\(paper)}text{fill:\(ink)}.lifelines line,.names rect,line.phase{stroke:\(line)}",
                "text.phase,.pause,.repeats,.detail,.note,.time{fill:\(dim)}text.warning{fill:\(warning)}",
            ]
            rules += styles.map { style, colour in
                let name = "." + style.rawValue
                return "\(name) line{stroke:\(colour)}\(name) path,\(name) .name,\(name) .number{fill:\(colour)}"
            }
            return rules.joined(separator: "\n")
        }
    }

    private static let light = Palette(
        paper: "#ffffff", ink: "#1f2328", dim: "#59636e", line: "#c5ccd3", warning: "#a40e26",
        styles: [
            (.transport, "#59636e"), (.handshake, "#0550ae"), (.text, "#116329"), (.binary, "#0a6675"),
            (.heartbeat, "#8250df"), (.close, "#953800"), (.other, "#a40e26"),
        ])

    private static let dark = Palette(
        paper: "#0d1117", ink: "#e6edf3", dim: "#9198a1", line: "#3d444d", warning: "#ff7b72",
        styles: [
            (.transport, "#9198a1"), (.handshake, "#79c0ff"), (.text, "#7ee787"), (.binary, "#76e3ea"),
            (.heartbeat, "#d2a8ff"), (.close, "#ffa657"), (.other, "#ff7b72"),
        ])
}
