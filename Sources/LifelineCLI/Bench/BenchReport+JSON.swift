import Lifeline
import LifelineTrace

/// The report for programs.
extension BenchReport {
    /// One JSON object on one line. It always has every member; those that do not apply are `null`.
    var json: String {
        var object = JSONObject()
        object.add("url", "\(plan.url)")
        object.add("mode", plan.mode.rawValue)
        object.add("engine", engine)
        object.add("connections", plan.connections)
        object.add("loops", plan.loops)
        object.add("inFlight", plan.inFlight)
        object.add("size", plan.payload.bytes.count)
        object.add("text", plan.payload.text != nil)
        add("rate", plan.rate, to: &object)
        object.add("seconds", rounded(seconds, 1000))
        object.add("interrupted", wasInterrupted)
        object.add("count", tally.count)
        object.add("countPerSecond", rounded(perSecond, 10))
        object.add("bytes", tally.bytes)
        object.add("bytesPerSecond", rounded(bytesPerSecond, 10))
        object.add("overdue", overdue)
        object.add("connectionsOpened", plan.mode == .connect ? tally.count : connectionsOpened)
        object.add("connectionsLeft", connectionsLeft)
        addLatencies(to: &object)
        object.add("errors", faults.total)
        for kind in Faults.Kind.allCases {
            let name = kind.rawValue
            object.add("errors" + name.prefix(1).uppercased() + name.dropFirst(), faults[kind])
        }
        object.add("generatorShare", rounded(generatorShare, 10_000))
        object.add("generatorBusiestShare", rounded(busiest?.worked ?? 0, 10_000))
        object.add("generatorWaitedShare", rounded(busiest?.waited ?? 0, 10_000))
        object.add("generatorWasBottleneck", generatorWasBusy && plan.mode != .idle)
        add("serverUserMicroseconds", serverTime(\.user)?.microsecondsExactly, to: &object)
        add("serverSystemMicroseconds", serverTime(\.system)?.microsecondsExactly, to: &object)
        add("serverShare", server.map { rounded($0.total / max(seconds, 1e-9), 10_000) }, to: &object)
        add("serverResidentBefore", memoryBefore?.resident, to: &object)
        add("serverResidentAfter", memoryAfter?.resident, to: &object)
        add("serverResidentPerConnection", memoryPerConnection(\.residentIfKnown), to: &object)
        add("serverAnonymousBefore", memoryBefore?.anonymous, to: &object)
        add("serverAnonymousAfter", memoryAfter?.anonymous, to: &object)
        add("serverAnonymousPerConnection", memoryPerConnection(\.anonymous), to: &object)
        return object.line
    }

    private func addLatencies(to object: inout JSONObject) {
        let latencies = tally.latencies
        func microseconds(_ duration: Duration) -> Double? {
            latencies.isEmpty ? nil : duration.microsecondsExactly
        }
        object.add("latencyCount", latencies.count)
        add("latencyMean", microseconds(latencies.mean), to: &object)
        for percent in Latencies.reported {
            let name = "latencyP" + Figures.short(percent).replacing(".", with: "_")
            add(name, microseconds(latencies.percentile(percent)), to: &object)
        }
        add("latencyMax", microseconds(latencies.maximum), to: &object)
    }

    private func add(_ name: String, _ value: Double?, to object: inout JSONObject) {
        if let value { object.add(name, value) } else { object.add(name, nil as String?) }
    }

    private func add(_ name: String, _ value: Int?, to object: inout JSONObject) {
        if let value { object.add(name, value) } else { object.add(name, nil as String?) }
    }

    private func rounded(_ value: Double, _ scale: Double) -> Double { (value * scale).rounded() / scale }
}

extension Duration {
    /// The duration as a number of microseconds, with three decimals.
    fileprivate var microsecondsExactly: Double { (self / .nanoseconds(1)).rounded() / 1000 }
}
