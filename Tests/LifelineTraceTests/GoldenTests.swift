import Foundation
import LifelineCore
import LifelineTrace
import Testing

/// Recordings of real conversations, drawn as they were when somebody looked at them last.
///
/// `LIFELINE_UPDATE_GOLDEN=1 swift test --filter Golden` writes them anew; then look at what has changed.
@Suite("Golden drawings") struct GoldenTests {
    static let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    static let names = ["abnormal", "compressed", "conversation", "fragments", "reconnect", "repeats"]

    static func recording(_ name: String) throws -> Recording {
        try Recording(String(contentsOf: Self.directory.appending(path: name + ".jsonl"), encoding: .utf8))
    }

    private func check(_ text: String, _ file: String) throws {
        let url = Self.directory.appending(path: file)
        if ProcessInfo.processInfo.environment["LIFELINE_UPDATE_GOLDEN"] != nil {
            try text.write(to: url, atomically: true, encoding: .utf8)
        }
        let expected = try String(contentsOf: url, encoding: .utf8)
        #expect(text == expected, "\(file) is not what it was")
    }

    @Test(arguments: names)
    func terminal(_ name: String) throws {
        let recording = try Self.recording(name)
        let diagrams = SequenceDiagram.all(of: recording)
        for (columns, suffix) in [(80, ""), (44, ".narrow"), (120, ".wide")] {
            let text = TerminalRenderer(columns: columns).render(diagrams)
            try check(text, "\(name)\(suffix).txt")
            #expect(!text.contains("\u{1B}"))
        }
        let ascii = TerminalRenderer(columns: 80, usesUnicode: false).render(diagrams)
        try check(ascii, "\(name).ascii.txt")
        #expect(ascii.utf8.allSatisfy { $0 == 0x0A || (0x20...0x7E).contains($0) })
        let coloured = TerminalRenderer(columns: 80, usesColor: true).render(diagrams)
        #expect(coloured.replacing(/\u{1B}\[\d+m/, with: "") == TerminalRenderer(columns: 80).render(diagrams))
    }

    @Test(arguments: names)
    func mermaid(_ name: String) throws {
        let recording = try Self.recording(name)
        try check(MermaidRenderer().render(SequenceDiagram.all(of: recording)), name + ".mmd")
    }

    @Test(arguments: names)
    func svg(_ name: String) throws {
        let recording = try Self.recording(name)
        try check(SVGRenderer().render(SequenceDiagram.all(of: recording)), name + ".svg")
    }

    @Test(arguments: names)
    func har(_ name: String) throws {
        let recording = try Self.recording(name)
        let text = HAR.write(recording, software: "golden")
        try check(text, name + ".har")
        // Read again, it has the same messages.
        func messages(_ recording: Recording) -> [TraceEvent.Message] {
            recording.events.compactMap { event in
                if case .message(_, let message) = event.kind, message.isWhole { message } else { nil }
            }
        }
        let read = try HAR.read(text)
        for message in messages(recording) {
            #expect(messages(read).contains { $0.isText == message.isText && $0.payload == message.payload })
        }
    }

    @Test("Recordings are read as they were written", arguments: names)
    func lines(_ name: String) throws {
        let text = try String(contentsOf: Self.directory.appending(path: name + ".jsonl"), encoding: .utf8)
        #expect(try Recording(text).text == text)
    }

    @Test("Every row is as wide as the others, in every width", arguments: names)
    func widths(_ name: String) throws {
        let recording = try Self.recording(name)
        for diagram in SequenceDiagram.all(of: recording) {
            for columns in TerminalRenderer.minimumColumns...100 {
                let rows = TerminalRenderer(columns: columns, usesUnicode: false).render(diagram).split(separator: "\n")
                for row in rows.dropFirst(2) where row.count != columns {
                    Issue.record("\(columns) columns: \(row)")
                }
            }
        }
    }

    @Test("Live, a diagram has the same rows, none of them collapsed", arguments: names)
    func live(_ name: String) throws {
        let recording = try Self.recording(name)
        var options = SequenceDiagram.Options()
        options.collapses = nil
        let renderer = TerminalRenderer(columns: 80)
        for (connection, settles) in recording.connections.flatMap({ [($0, false), ($0, true)] }) {
            let whole = renderer.render(SequenceDiagram(connection, of: recording, options: options))
            var diagram = LiveDiagram(observer: .client, renderer: renderer)
            var lines: [String] = []
            for event in recording.events where event.connection == connection {
                lines += diagram.add(event)
                if settles, case .message = event.kind { lines += diagram.settle() }
            }
            lines += diagram.end()
            #expect(lines == whole.split(separator: "\n").map(String.init).suffix(lines.count))
        }
    }
}
