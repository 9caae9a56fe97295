import Lifeline
import LifelineTrace

/// The results of a run.
struct BenchReport: Sendable {
    let plan: BenchPlan
    /// The name of the engine.
    let engine: String
    /// The duration of the measurement.
    var seconds = 0.0
    var tally = Tally()
    var faults = Faults()
    var connectionsOpened = 0
    var connectionsLeft = 0
    /// The messages that were due and were never sent.
    var overdue = 0
    /// The load of each loop's thread.
    var loops: [LoopShare] = []
    /// The server's processor time during the measurement.
    var server: ProcessFigures.Time?
    /// The server's processor time before the run.
    var serverBefore: ProcessFigures.Time?
    var memoryBefore: ProcessFigures.Memory?
    var memoryAfter: ProcessFigures.Memory?
    var wasInterrupted = false

    /// The load from which on a loop counts as the bottleneck.
    static let busyShare = 0.9
    /// How many seconds of unsent messages at the end still count as reaching the rate.
    private static let tolerableDelay = 0.1

    init(_ plan: BenchPlan, engine: String) {
        self.plan = plan
        self.engine = engine
    }

    /// What the mode counts.
    var unit: String { plan.mode == .connect || plan.mode == .idle ? "connection" : "message" }

    var perSecond: Double { seconds > 0 ? Double(tally.count) / seconds : 0 }
    var bytesPerSecond: Double { seconds > 0 ? Double(tally.bytes) / seconds : 0 }

    /// Whether a loop was so busy that the server could have done more.
    var generatorWasBusy: Bool { (busiest?.wanted ?? 0) > BenchReport.busyShare }

    /// The loop with the highest load.
    var busiest: LoopShare? { loops.max { $0.wanted < $1.wanted } }

    /// The generator's share of its loops' cores.
    var generatorShare: Double { loops.isEmpty ? 0 : loops.reduce(0) { $0 + $1.worked } / Double(loops.count) }

    /// The server's processor time per message or connection.
    func serverTime(_ part: KeyPath<ProcessFigures.Time, Double>) -> Duration? {
        guard let server, tally.count > 0, plan.mode != .idle else { return nil }
        return .nanoseconds(Int64(saturating: server[keyPath: part] / Double(tally.count) * 1e9))
    }

    /// The server's memory per connection, in bytes.
    func memoryPerConnection(_ part: KeyPath<ProcessFigures.Memory, Int?>) -> Int? {
        guard plan.mode == .idle, connectionsLeft > 0, let before = memoryBefore?[keyPath: part],
            let after = memoryAfter?[keyPath: part]
        else { return nil }
        return after.subtractingSaturating(before) / connectionsLeft
    }

    /// Less memory than any server needs for a connection, in bytes.
    private static let implausibleMemory = 320
    /// More processor time than most servers use before their first connection, in seconds.
    private static let usedProcessorTime = 0.5

    /// What a reader of the figures needs to know.
    var warnings: [String] {
        var warnings: [String] = []
        if generatorWasBusy, plan.mode != .idle, let busiest {
            let waited = busiest.waited > 0.1 ? ", and waited for a core for \(percent(busiest.waited))" : ""
            warnings.append(
                "the generator was the bottleneck: a loop worked for \(percent(busiest.worked)) of the time\(waited). "
                    + "The server can do more. Use more --loops, or run one of the two on another machine.")
        }
        if let rate = plan.rate, Double(overdue) > rate * BenchReport.tolerableDelay {
            warnings.append(
                "the requested rate was not reached: \(overdue.counted("message")) due but never sent. The latencies include them "
                    + "with the time that they waited.")
        }
        if let each = memoryPerConnection(\.anonymous) ?? memoryPerConnection(\.residentIfKnown) {
            let used = serverBefore?.total ?? 0
            if each < BenchReport.implausibleMemory || used > BenchReport.usedProcessorTime {
                let time = Duration.milliseconds(Int64(saturating: (used * 1000).rounded())).text()
                warnings.append(
                    "the server had used \(time) of processor time before this run. If it served connections then, it uses their "
                        + "memory again, and the figures are too low. Restart the server before measuring its memory.")
            }
        }
        return warnings
    }

    /// A share in percent.
    func percent(_ share: Double) -> String { "\(Int(saturating: (share * 100).rounded())) %" }
}

/// The load of a loop's thread, in shares of the time.
struct LoopShare: Sendable {
    /// The share in which it ran.
    var worked: Double
    /// The share in which it was ready to run but had no core. Linux only.
    var waited = 0.0

    var wanted: Double { worked + waited }
}

extension ProcessFigures.Memory {
    /// The resident memory, as an optional like the other figures.
    var residentIfKnown: Int? { resident }
}

extension ProcessFigures.Time {
    var total: Double { user + system }
}
