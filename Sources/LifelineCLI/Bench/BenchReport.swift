import Lifeline
import LifelineTrace

/// What a run has measured.
struct BenchReport: Sendable {
    let plan: BenchPlan
    /// What the engine is called.
    let engine: String
    /// How long was measured.
    var seconds = 0.0
    var tally = Tally()
    var faults = Faults()
    var connectionsOpened = 0
    var connectionsLeft = 0
    /// Messages that were due and were never sent.
    var overdue = 0
    /// What each loop's thread did with the time.
    var loops: [LoopShare] = []
    /// The processor time of the server meanwhile.
    var server: ProcessFigures.Time?
    var memoryBefore: ProcessFigures.Memory?
    var memoryAfter: ProcessFigures.Memory?
    var wasInterrupted = false

    /// The share from which on a loop is taken to have held the server up.
    static let busyShare = 0.9
    /// The seconds by which messages may be late at the end without the rate being called missed.
    private static let tolerableDelay = 0.1

    init(_ plan: BenchPlan, engine: String) {
        self.plan = plan
        self.engine = engine
    }

    /// What is counted, by the mode.
    var unit: String { plan.mode == .connect || plan.mode == .idle ? "connection" : "message" }

    var perSecond: Double { seconds > 0 ? Double(tally.count) / seconds : 0 }
    var bytesPerSecond: Double { seconds > 0 ? Double(tally.bytes) / seconds : 0 }

    /// Whether a loop was so busy that the server might have done more.
    var generatorWasBusy: Bool { (busiest?.wanted ?? 0) > BenchReport.busyShare }

    /// The loop that wanted its core the most.
    var busiest: LoopShare? { loops.max { $0.wanted < $1.wanted } }

    /// The share of the cores of its loops that the generator used.
    var generatorShare: Double { loops.isEmpty ? 0 : loops.reduce(0) { $0 + $1.worked } / Double(loops.count) }

    /// The server's processor time for each message or connection.
    func serverTime(_ part: KeyPath<ProcessFigures.Time, Double>) -> Duration? {
        guard let server, tally.count > 0, plan.mode != .idle else { return nil }
        return .nanoseconds(Int64(saturating: server[keyPath: part] / Double(tally.count) * 1e9))
    }

    /// The server's memory for each connection.
    func memoryPerConnection(_ part: KeyPath<ProcessFigures.Memory, Int?>) -> Int? {
        guard plan.mode == .idle, connectionsLeft > 0, let before = memoryBefore?[keyPath: part],
            let after = memoryAfter?[keyPath: part]
        else { return nil }
        return after.subtractingSaturating(before) / connectionsLeft
    }

    /// What whoever reads the figures has to know.
    var warnings: [String] {
        var warnings: [String] = []
        if generatorWasBusy, plan.mode != .idle, let busiest {
            let waited = busiest.waited > 0.1 ? ", and waited for a core for \(percent(busiest.waited))" : ""
            warnings.append(
                "the generator was the bottleneck: a loop worked for \(percent(busiest.worked)) of the time\(waited). "
                    + "The server can do more; use more --loops, or another machine for one of the two.")
        }
        if let rate = plan.rate, Double(overdue) > rate * BenchReport.tolerableDelay {
            warnings.append(
                "the rate was not reached: \(overdue.counted("message")) due and never sent. The latencies count them "
                    + "with the time that they waited.")
        }
        return warnings
    }

    /// A share in words.
    func percent(_ share: Double) -> String { "\(Int(saturating: (share * 100).rounded())) %" }
}

/// What a loop's thread did, in shares of the time.
struct LoopShare: Sendable {
    /// How much it worked.
    var worked: Double
    /// How much it would have worked, had others not been at work on the core. Known on Linux alone.
    var waited = 0.0

    var wanted: Double { worked + waited }
}

extension ProcessFigures.Memory {
    /// What is resident, where something may be missing.
    var residentIfKnown: Int? { resident }
}

extension ProcessFigures.Time {
    var total: Double { user + system }
}
