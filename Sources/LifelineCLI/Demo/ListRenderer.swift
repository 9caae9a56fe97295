import Lifeline
import LifelineTrace

/// Lists the steps, one per line, on terminals too narrow for a diagram.
struct ListRenderer: StepRenderer {
    let terminal: Terminal
    let columns: Int
    /// The pause after each step.
    let pace: Duration

    func begin() {
        let legend = "C \(arrow(.client)) S: client to server"
        terminal.print(legend.truncated(to: columns, ellipsis: ellipsis))
    }

    func show(_ seen: SeenStep) async {
        let number = (seen.step.number.map(String.init) ?? "").aligned(right: 1)
        let time = (seen.roundTrip.map { "RTT " + text($0) } ?? text(seen.elapsed))
        let content = (seen.content.first ?? "").shown(on: terminal)
        let head = "\(number) \(seen.step.sender == .client ? "C" : "S") \(arrow(seen.step.sender)) "
        let line = head + content + " (\(time))"
        terminal.print(line.truncated(to: max(columns, 20), ellipsis: ellipsis))
        if pace > .zero { try? await Task.sleep(for: pace) }
    }

    func end(_ steps: [SeenStep], _ outcome: CloseOutcome) {
        terminal.print("\(steps.count) steps, seen by client and server")
    }

    private var ellipsis: String { terminal.usesUnicode ? "…" : "..." }

    private func arrow(_ role: WebSocketRole) -> String { terminal.usesUnicode ? "→" : "->" }

    private func text(_ duration: Duration) -> String { duration.text(unicode: terminal.usesUnicode) }
}
