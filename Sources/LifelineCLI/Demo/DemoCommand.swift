import ArgumentParser
import Lifeline
import LifelineTrace

/// `lifeline demo`: draws a connection from beginning to end.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Open a real connection, and draw each step as it happens.",
        discussion: """
            A server and a client in this process connect over TCP. Each arrow is drawn once both sides have seen it \
            on the wire, with the time that it took.

            EXAMPLES
              lifeline demo
              lifeline demo --pace 2s
              lifeline demo --json | jq .elapsedMicroseconds

            EXIT STATUS
              0    both sides have seen every step
              1    a step is missing
              64   the command line is wrong
              74   standard output could not be written (disk full)
              130  Ctrl-C, which closes the connection; 143 if it was SIGTERM
            """)

    @Option(
        help: ArgumentHelp(
            "The pause after each step; by default 400ms on a terminal and 0s in a pipe.", valueName: "duration"))
    var pace: TimeSpan?

    @Flag(help: "Write each step as a JSON object on one line.")
    var json = false

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let errors = Terminal.errors(output)
        let renderer = renderer(Terminal.output(output))
        // Before the first line is drawn, so that no signal after it is lost.
        let (signals, signal) = AsyncStream.makeStream(of: Void.self)
        let interruption = Interruption(limit: .seconds(5)) { signal.yield() }
        defer { withExtendedLifetime(interruption) {} }
        let drawing = Task { try await DemoCommand.draw(renderer, errors) }
        let stopping = Task { for await _ in signals { drawing.cancel() } }
        defer { stopping.cancel() }
        try await drawing.value
    }

    /// Opens the connection and draws each step. Closes the connection early if the task is cancelled.
    private static func draw(_ renderer: any StepRenderer, _ errors: Terminal) async throws {
        await renderer.begin()
        var steps: [SeenStep] = []
        do {
            let outcome = try await Conversation().run { seen in
                try Task.checkCancellation()
                steps.append(seen)
                await renderer.show(seen)
            }
            await renderer.end(steps, outcome)
        } catch {
            guard !Task.isCancelled else {
                errors.print("lifeline demo: interrupted after \(steps.count.counted("step"))")
                throw ExitStatus.interrupted
            }
            let missing = DemoStep.allCases.dropFirst(steps.count).first
            let what =
                error is DemoFailure ? "" : missing.map { "\($0.name) was not seen by both client and server: " } ?? ""
            errors.print("lifeline demo: " + (what + "\(error)").visible())
            throw ExitStatus.stepMissing
        }
    }

    private func renderer(_ terminal: Terminal) -> any StepRenderer {
        if json { return JSONRenderer(terminal: terminal, origin: .now) }
        let pace = pace?.duration ?? (terminal.movesCursor ? .milliseconds(400) : .zero)
        let columns = terminal.columns
        guard columns >= Diagram.minimumColumns else {
            return ListRenderer(terminal: terminal, columns: columns, pace: pace)
        }
        return DiagramRenderer(terminal: terminal, columns: columns, pace: pace)
    }
}
