/// Writes lines on a thread of its own, which a slow reader may block.
actor TerminalWriter {
    private let executor = BlockingExecutor(label: "lifeline.lines")
    private let terminal: Terminal

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(terminal: Terminal) {
        self.terminal = terminal
    }

    func write(_ lines: [String]) {
        if !lines.isEmpty { terminal.print(lines.joined(separator: "\n")) }
    }
}
