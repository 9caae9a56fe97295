import Lifeline
import LifelineLocks
import LifelineTrace

/// Says each second what comes of a run.
final class Progress: Sendable {
    private let terminal: Terminal
    private let start = Lock(ContinuousClock.now)

    init(_ terminal: Terminal) {
        self.terminal = terminal
    }

    /// The measurement begins.
    func begin() {
        start.withLock { $0 = .now }
    }

    /// A second has passed.
    ///
    /// - Parameters:
    ///   - second: What was counted in it.
    ///   - faults: What has gone wrong from the beginning on.
    func show(_ second: Tally, faults: Int, mode: BenchPlan.Mode) {
        let elapsed = start.withLock { $0 }.duration(to: .now)
        let text = Progress.line(
            second, faults: faults, mode: mode, seconds: Int(saturating: (elapsed / .seconds(1)).rounded()),
            unicode: terminal.usesUnicode)
        // Standard error that nobody reads must not hold up the measurement.
        _ = try? terminal.writeAtOnce(text + "\n")
    }

    /// The line of a second.
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
