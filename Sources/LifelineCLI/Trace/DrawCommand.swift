import ArgumentParser
import Lifeline
import LifelineTrace

/// `lifeline draw`: draws a recording.
struct DrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "draw",
        abstract: "Draw a recording: in the terminal, as Mermaid, SVG, HAR or JSON.",
        usage: "lifeline draw [<options>] <file>",
        discussion: """
            Reads a recording that --record of lifeline serve, trace or proxy has written, or an HTTP Archive with \
            WebSockets (HAR) that a browser has exported.

            EXAMPLES
              lifeline draw session.jsonl
              lifeline draw --format svg session.jsonl > session.svg
              lifeline draw --connection 7 --format mermaid session.jsonl
              lifeline draw exported-from-chrome.har

            EXIT STATUS
              0    success
              64   the command line is wrong
              65   the file is no recording, or has no such connection
              66   the file could not be read
              74   the drawing could not be written (disk full)
            """)

    /// The format of the drawing.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case terminal, mermaid, svg, har, json
    }

    @Argument(
        help: ArgumentHelp("The recording; - reads standard input.", valueName: "file"), transform: FileName.parse)
    var file: String

    @Option(help: "The format of the drawing.")
    var format = Format.terminal

    @Option(
        help: ArgumentHelp(
            "Draw only the connection with this number. By default all are drawn, one below the other.",
            valueName: "number"))
    var connection: ConnectionNumber?

    @Flag(help: "Draw every arrow. By default repeated arrows are drawn once, with their number.")
    var all = false

    @Option(
        in: 40...10_000,
        help: ArgumentHelp("The width of the drawing: in columns, or for SVG in pixels.", valueName: "number"))
    var width: Int?

    @OptionGroup var outputOptions: OutputOptions

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        do {
            let recording = try read()
            try draw(recording, output)
            reportOmissions(of: recording, errors)
        } catch let failure as Failure {
            errors.print("lifeline draw: " + errors.visible(failure.description))
            throw failure.status
        }
    }

    /// An error: why a recording cannot be drawn.
    private struct Failure: Error, CustomStringConvertible {
        let description: String
        var status = ExitStatus.inputRefused
    }

    private func read() throws(Failure) -> Recording {
        do {
            // Archives of other programs have cookies and tokens, and drawings are shared.
            return try Recording.read(file).redacted()
        } catch {
            throw Failure(description: "\(file): \(error)", status: error.status)
        }
    }

    private func draw(_ recording: Recording, _ output: Terminal) throws {
        var recording = recording
        if let connection = connection?.value {
            guard recording.connections.contains(connection) else {
                let numbers = recording.connections.prefix(20).map { "\($0)" }.joined(separator: ", ")
                throw Failure(
                    description: "\(file): there is no connection \(connection); the recording has \(numbers)")
            }
            recording.events = recording.events.filter { $0.connection == connection }
        }
        guard !recording.connections.isEmpty else { throw Failure(description: "\(file): the recording has no events") }
        try output.write(text(recording, output))
    }

    /// The most omissions to report one by one.
    private static let maximumReported = 10

    /// Reports what the drawing leaves out of the file.
    private func reportOmissions(of recording: Recording, _ errors: Terminal) {
        var lines = recording.omissions.filter { omission in
            connection == nil || omission.connection == nil || omission.connection == connection?.value
        }.map(\.description)
        let rest = lines.count - DrawCommand.maximumReported
        if rest > 0 { lines = lines.prefix(DrawCommand.maximumReported) + ["\(rest) more"] }
        if format == .har { lines += missingFromArchive(recording) }
        for line in lines { errors.print("lifeline draw: " + errors.visible("\(file): \(line)")) }
    }

    /// Reports what an archive cannot contain.
    private func missingFromArchive(_ recording: Recording) -> [String] {
        let events = recording.events.filter { connection == nil || $0.connection == connection?.value }
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
            missing.append("\(cut.counted("message")) not recorded completely; the archive has the sizes (_size)")
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
