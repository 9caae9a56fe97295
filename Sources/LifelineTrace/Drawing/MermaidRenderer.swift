import Lifeline

/// Renders diagrams as Mermaid's `sequenceDiagram`, which GitHub, GitLab and many editors display as an image.
public struct MermaidRenderer: Sendable {
    private static let noteColumns = 44

    /// Creates a renderer.
    public init() {}

    /// Returns the source of a diagram.
    public func render(_ diagram: SequenceDiagram) -> String { render([diagram]) }

    /// Returns the source of one Mermaid diagram of several diagrams, one below the other. If there is more than one, each has its own
    /// background, and a note that names its predecessor.
    public func render(_ diagrams: [SequenceDiagram]) -> String {
        var lines = ["sequenceDiagram"]
        if let first = diagrams.first { lines.append("    %% \(Self.escape(first.title))") }
        lines += ["    participant client as Client", "    participant server as Server"]
        for (index, diagram) in diagrams.enumerated() {
            if index > 0, diagram.title != diagrams[0].title { lines.append("    %% \(Self.escape(diagram.title))") }
            guard diagrams.count > 1 else {
                lines += self.lines(diagram)
                continue
            }
            // A colour that is visible on light and dark backgrounds.
            lines.append("    rect rgba(128, 128, 128, 0.1)")
            lines.append("    Note over client,server: \(Self.escape(diagram.heading))")
            lines += self.lines(diagram) + ["    end"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func lines(_ diagram: SequenceDiagram) -> [String] {
        var lines: [String] = []
        for row in diagram.rows {
            switch row {
            case .phase(let phase):
                lines.append("    Note over client,server: \(phase.rawValue)")
            case .arrow(let arrow):
                let shaft = arrow.style == .transport ? "-->>" : "->>"
                let text = [
                    arrow.number.map { "\($0) " } ?? "", arrow.label, arrow.content.isEmpty ? "" : " " + arrow.content,
                ]
                .joined()
                let details =
                    arrow.details.isEmpty ? "" : "<br/>" + arrow.details.map(Self.escape).joined(separator: "<br/>")
                lines.append(
                    "    \(arrow.from.rawValue)\(shaft)\(arrow.from.peer.rawValue): \(Self.escape(text))\(details)")
            case .note(let note):
                let place =
                    note.side.map { $0 == .client ? "left of client" : "right of server" } ?? "over client,server"
                // Mermaid makes no room for lines that are longer than the arrows.
                let text = note.text.wrapped(to: MermaidRenderer.noteColumns, ellipsis: "…").map(Self.escape)
                lines.append("    Note \(place): \(text.isEmpty ? "#8203;" : text.joined(separator: "<br/>"))")
            case .pause(let nanoseconds):
                lines.append("    Note over client,server: \(Duration.nanoseconds(nanoseconds).text()) later")
            case .repeats(let arrows, let times, _):
                lines.append("    Note over client,server: and \(SequenceDiagram.repetition(arrows, times))")
            }
        }
        return lines
    }

    /// Escapes text for Mermaid: characters with a meaning in its grammar become entities.
    static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "#", ";", "<", ">", "\"", "&", "%", "{", "}", ":", "\\", "`": result += "#\(scalar.value);"
            case _ where String.isHidden(scalar): result += "#65533;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        // A text must not be empty, nor be the keyword that ends a block.
        return result.isEmpty ? "#8203;" : result == "end" ? "#101;nd" : result
    }
}
