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
            on the wire, with the time that it took. If a step is missing, the exit status is 1.

            EXAMPLES
              lifeline demo
              lifeline demo --pace 2s
              lifeline demo --json | jq .elapsedMicroseconds
            """)

    @Option(
        help: ArgumentHelp(
            "The pause after each step; by default 400ms on a terminal and 0s in a pipe.", valueName: "duration"))
    var pace: TimeSpan?

    @Flag(help: "Write each step as a JSON object on one line.")
    var json = false

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let terminal = Terminal.output(output)
        let renderer = renderer(terminal)
        await renderer.begin()
        var steps: [SeenStep] = []
        do {
            let outcome = try await Conversation().run { seen in
                steps.append(seen)
                await renderer.show(seen)
            }
            await renderer.end(steps, outcome)
        } catch {
            let missing = DemoStep.allCases.dropFirst(steps.count).first
            let what =
                error is DemoFailure ? "" : missing.map { "\($0.name) was not seen by both client and server: " } ?? ""
            Terminal.errors(output).print("lifeline demo: " + (what + "\(error)").visible())
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
