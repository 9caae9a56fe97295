import Lifeline
import LifelineTrace

/// The last lines of the demo.
struct Closing {
    let terminal: Terminal
    let columns: Int

    func show(_ steps: [SeenStep]) {
        let travel = steps.reduce(Duration.zero) { $0 + $1.elapsed }.text(unicode: terminal.usesUnicode)
        let mark = terminal.usesUnicode ? "✓ " : ""
        terminal.print(
            "  " + terminal.paint(mark + "\(steps.count) steps, each seen on the wire by client and server", .green))
        terminal.print("  " + terminal.paint("\(travel) of travel time in total", .dim))
        terminal.print()
        show("lifeline serve", "run a server with echo and push")
        show("lifeline connect ws://127.0.0.1:8080/echo", "send messages to it")
    }

    /// A command to try next, with its purpose if there is room.
    private func show(_ command: String, _ purpose: String) {
        let padding = String(repeating: " ", count: max(44 - command.count, 1))
        let hasRoom = columns >= 80
        terminal.print(
            "  " + terminal.paint(command, .bold) + (hasRoom ? padding + terminal.paint(purpose, .dim) : ""))
    }
}
