import ArgumentParser
import Lifeline
import LifelineTrace

/// `lifeline draw`: a recording as a picture.
struct DrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "draw",
        abstract: "Draw a recording: in the terminal, as Mermaid, SVG, HAR or JSON.",
        discussion: """
            Reads what --record of lifeline serve and lifeline trace has written, or an HTTP Archive with WebSockets as \
            browsers export it (HAR).

            EXAMPLES
              lifeline draw session.jsonl
              lifeline draw --format svg session.jsonl > session.svg
              lifeline draw --connection 7 --format mermaid session.jsonl
              lifeline draw exported-from-chrome.har
            """)

    /// What to draw as.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case terminal, mermaid, svg, har, json
    }

    @Argument(help: ArgumentHelp("The recording; - for standard input.", valueName: "file"))
    var file: String

    @Option(help: "What to draw: \(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format = Format.terminal

    @Option(
        help: ArgumentHelp(
            "The number of the connection to draw; all of them by default, one below the other.", valueName: "number"))
    var connection: UInt64?

    @Flag(help: "Draw every arrow, and not only how often a few are repeated.")
    var all = false

    @Option(help: ArgumentHelp("The width: columns, or pixels of an SVG.", valueName: "number"))
    var width: Int?

    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard width.map({ (40...10_000).contains($0) }) ?? true else {
            throw ValidationError("--width must be a number from 40 to 10000")
        }
    }

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        do {
            let recording = try read()
            try draw(recording, output)
            tell(recording, errors)
        } catch let failure as Failure {
            errors.print("lifeline draw: " + errors.visible(failure.description))
            throw ExitStatus.inputRefused
        }
    }

    /// A recording that cannot be drawn, and why.
    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private func read() throws(Failure) -> Recording {
        do {
            // Others' archives have cookies and tokens, and a picture goes to others again.
            return try Recording.read(file).redacted()
        } catch {
            throw Failure(description: "\(file): \(error)")
        }
    }

    private func draw(_ recording: Recording, _ output: Terminal) throws {
        var recording = recording
        if let connection {
            guard recording.connections.contains(connection) else {
                let numbers = recording.connections.prefix(20).map { "\($0)" }.joined(separator: ", ")
                throw Failure(description: "\(file): there is no connection \(connection), but \(numbers)")
            }
            recording.events = recording.events.filter { $0.connection == connection }
        }
        guard !recording.connections.isEmpty else { throw Failure(description: "\(file): it has no events") }
        try output.write(text(recording, output))
    }

    /// The most that is told of one by one.
    private static let maximumTold = 10

    /// Says what of the file is missing from what was drawn.
    private func tell(_ recording: Recording, _ errors: Terminal) {
        var told = recording.omissions.filter { omission in
            connection == nil || omission.connection == nil || omission.connection == connection
        }.map(\.description)
        let rest = told.count - DrawCommand.maximumTold
        if rest > 0 { told = told.prefix(DrawCommand.maximumTold) + ["\(rest) more of the kind"] }
        if format == .har { told += missingFromArchive(recording) }
        for line in told { errors.print("lifeline draw: " + errors.visible("\(file): \(line)")) }
    }

    /// What an archive has no place for, though it is of its kind.
    private func missingFromArchive(_ recording: Recording) -> [String] {
        let events = recording.events.filter { connection == nil || $0.connection == connection }
        let cut = events.count { event in
            if case .message(_, let message) = event.kind { !message.isWhole } else { false }
        }
        let asked = Set(
            events.compactMap { event in
                if case .request = event.kind { event.connection } else { nil }
            })
        let others = Set(events.map(\.connection)).subtracting(asked).count
        var missing: [String] = []
        if cut > 0 {
            missing.append("\(cut.counted("message")) not recorded whole; the archive has their sizes (_size)")
        }
        if others > 0, !asked.isEmpty {
            missing.append("\(others.counted("connection")) without a request, not in the archive")
        }
        return missing
    }

    private func text(_ recording: Recording, _ output: Terminal) -> String {
        var options = SequenceDiagram.Options()
        if all { options.collapses = nil }
        let diagrams = SequenceDiagram.all(of: recording, options: options)
        switch format {
        case .terminal:
            let renderer = TerminalRenderer(
                columns: width ?? output.columns, usesColor: output.usesColor, usesUnicode: output.usesUnicode)
            return renderer.render(diagrams)
        case .mermaid: return MermaidRenderer().render(diagrams)
        case .svg: return SVGRenderer(width: width ?? 840).render(diagrams)
        case .har: return HAR.write(recording, software: Version.current)
        case .json: return recording.text
        }
    }
}
