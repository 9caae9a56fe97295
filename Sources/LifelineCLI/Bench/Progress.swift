import Lifeline
import LifelineLocks
import LifelineTrace

/// Writes a line about each second of a run.
final class Progress: Sendable {
    private let terminal: Terminal
    private let start = Lock(ContinuousClock.now)

    init(_ terminal: Terminal) {
        self.terminal = terminal
    }

    /// Notes that the measurement begins.
    func begin() {
        start.withLock { $0 = .now }
    }

    /// Writes the line about a second.
    ///
    /// - Parameters:
    ///   - second: The counts of this second.
    ///   - faults: The number of faults since the run began.
    func show(_ second: Tally, faults: Int, mode: BenchPlan.Mode) {
        let elapsed = start.withLock { $0 }.duration(to: .now)
        let text = Progress.line(
            second, faults: faults, mode: mode, seconds: Int(saturating: (elapsed / .seconds(1)).rounded()),
            unicode: terminal.usesUnicode)
        // Does not block: a slow reader of standard error must not delay the measurement.
        _ = try? terminal.writeAtOnce(text + "\n")
    }

    /// The line about a second.
    static func line(_ second: Tally, faults: Int, mode: BenchPlan.Mode, seconds: Int, unicode: Bool) -> String {
        var parts = ["\(seconds) s".aligned(right: 6)]
        let unit = mode == .connect || mode == .idle ? "connections/s" : "messages/s"
        parts.append((Figures.grouped(Double(second.count)) + " " + unit).aligned(right: 22))
        if !second.latencies.isEmpty {
            for percent in [50.0, 99] {
                let time = second.latencies.percentile(percent).text(unicode: unicode)
                parts.append("p\(Figures.short(percent)) " + time.aligned(right: 7))
            }
        }
        parts.append(faults.counted("error"))
        return parts.joined(separator: "   ")
    }
}
