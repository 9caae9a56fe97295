import Lifeline

/// Draws the steps as a sequence diagram, slowly enough to follow.
struct DiagramRenderer: StepRenderer {
    let terminal: Terminal
    let columns: Int
    private let diagram: Diagram
    /// The pause after each step.
    let pace: Duration

    /// The share of the pause in which an arrow moves.
    private static let movingShare = 0.4

    init(terminal: Terminal, columns: Int, pace: Duration) {
        self.terminal = terminal
        self.columns = columns
        self.pace = pace
        diagram = Diagram(terminal: terminal, columns: columns)
    }

    func begin() {
        terminal.print()
        for line in diagram.header() { terminal.print(line) }
    }

    func show(_ seen: SeenStep) async {
        let phases = DemoStep.allCases.filter { $0.phase == seen.step.phase }
        let lines = diagram.lines(seen, isFirst: seen.step == phases.first, isLast: seen.step == phases.last)
        for line in lines {
            switch line {
            case .text(let text): terminal.print(text)
            case .arrow(let strokes): await draw(strokes)
            }
        }
        if pace > .zero { try? await Task.sleep(for: pace * (1 - DiagramRenderer.movingShare)) }
    }

    private func draw(_ strokes: [String]) async {
        if pace > .zero, terminal.movesCursor {
            for stroke in strokes.dropLast() {
                try? terminal.write("\r" + stroke)
                try? await Task.sleep(for: pace * DiagramRenderer.movingShare / strokes.count)
            }
            try? terminal.write("\r")
        }
        terminal.print(strokes.last ?? "")
    }

    func end(_ steps: [SeenStep], _ outcome: CloseOutcome) {
        terminal.print(diagram.footer())
        terminal.print()
        Closing(terminal: terminal, columns: columns).show(steps)
    }
}
