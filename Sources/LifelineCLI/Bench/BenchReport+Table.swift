import Lifeline
import LifelineTrace

/// The report for people.
extension BenchReport {
    /// The report's lines.
    func table(_ terminal: Terminal) -> [String] {
        var rows = [("mode", heading(terminal)), ("load", load)]
        switch plan.mode {
        case .echo, .push, .publish:
            rows.append(("messages", amount(Double(tally.count)) + " in all"))
            rows.append(("throughput", terminal.paint(amount(perSecond) + " messages/s", .bold)))
            rows.append(("bytes", "\(amount(Double(tally.bytes))) received, \(Figures.bytes(bytesPerSecond))/s"))
        case .connect:
            rows.append(("connections", amount(Double(tally.count)) + " in all"))
            rows.append(("throughput", terminal.paint(amount(perSecond) + " connections/s", .bold)))
        case .idle:
            rows.append(("survived", "\(connectionsLeft) of \(plan.connections.counted("connection"))"))
        }
        rows += latencyRows(terminal)
        rows += faultRows(terminal)
        rows += costRows(terminal)
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, text in
            terminal.paint(name + String(repeating: " ", count: width - name.count), .dim) + "  " + text
        } + warnings.map { terminal.paint("WARNING", .bold, .yellow) + ": " + $0 }
    }

    private func heading(_ terminal: Terminal) -> String {
        let url = terminal.visible("\(plan.url)")
        guard plan.mode == .echo || plan.mode == .publish else { return "\(plan.mode.rawValue), \(url)" }
        let kind = plan.payload.text == nil ? "binary" : "text"
        let rate = plan.rate.map { ", \(amount($0)) messages/s requested" } ?? ""
        return
            "\(plan.mode.rawValue), \(url), \(plan.payload.bytes.count.counted("byte")) \(kind), \(plan.inFlight) in flight"
            + rate
    }

    private var load: String {
        let time = Duration.milliseconds(Int64(saturating: (seconds * 1000).rounded())).text()
        return "\(plan.connections.counted("connection")) on \(plan.loops.counted("loop")) (\(engine)), \(time)"
            + (wasInterrupted ? ", interrupted" : "")
    }

    private func latencyRows(_ terminal: Terminal) -> [(String, String)] {
        guard !tally.latencies.isEmpty else { return [] }
        let what = plan.mode == .echo || plan.mode == .publish ? "latency" : "to open"
        func text(_ duration: Duration) -> String { duration.text(unicode: terminal.usesUnicode).aligned(right: 8) }
        return [(what, "mean \(text(tally.latencies.mean))")]
            + Latencies.reported.map { ("  p\(Figures.short($0))", "     " + text(tally.latencies.percentile($0))) }
            + [("  max", "     " + text(tally.latencies.maximum))]
    }

    private func faultRows(_ terminal: Terminal) -> [(String, String)] {
        guard faults.total > 0 else { return [("errors", "none")] }
        let rows = Faults.Kind.allCases.filter { faults[$0] > 0 }.map { kind in
            let example = faults.examples[kind].map { ": \(terminal.visible($0))" } ?? ""
            return ("", "\(amount(Double(faults[kind]))) \(kind.name)" + example)
        }
        return [("errors", terminal.paint(amount(Double(faults.total)), .red))] + rows
    }

    private func costRows(_ terminal: Terminal) -> [(String, String)] {
        let cores = plan.loops == 1 ? "a core" : "\(plan.loops) cores"
        var text = "\(percent(generatorShare)) of \(cores)"
        if let busiest, busiest.waited > 0.1 { text += ", and waited for a core for \(percent(busiest.waited))" }
        var rows = [("generator", text)]
        if let server {
            var text = "\(percent(server.total / max(seconds, 1e-9))) of a core"
            if let total = serverTime(\.total), let user = serverTime(\.user), let system = serverTime(\.system) {
                func words(_ time: Duration) -> String { time.text(unicode: terminal.usesUnicode) }
                text += ", \(words(total)) per \(unit): \(words(user)) user, \(words(system)) system"
            }
            rows.append(("server", text))
        }
        if plan.mode == .idle, let memoryBefore, let memoryAfter {
            var text =
                "\(Figures.bytes(Double(memoryBefore.resident))) resident before, "
                + "\(Figures.bytes(Double(memoryAfter.resident))) after"
            if let each = memoryPerConnection(\.residentIfKnown) {
                text += ", \(amount(Double(each))) bytes per connection"
            }
            rows.append(("memory", text))
            if let each = memoryPerConnection(\.anonymous) {
                rows.append(("", "anonymous: \(amount(Double(each))) bytes per connection"))
            }
        }
        return rows
    }

    private func amount(_ value: Double) -> String { Figures.grouped(value) }
}

/// Formats numbers for people.
enum Figures {
    /// A number in groups of three digits: `1,234,567`. Numbers below 100 have one decimal if they are not whole.
    static func grouped(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        if abs(value) < 100, value != value.rounded() { return short((value * 10).rounded() / 10) }
        let digits = String(Int(saturating: value.rounded().magnitude))
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result += "," }
            result.append(digit)
        }
        return (value.rounded() < 0 ? "-" : "") + result
    }

    /// A number of bytes with a unit, in powers of 1000: `26.4 MB`.
    static func bytes(_ value: Double) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var (value, unit) = (value, 0)
        while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        let text =
            unit == 0 || value >= 99.95 ? "\(Int(saturating: value.rounded()))" : short((value * 10).rounded() / 10)
        return "\(text) \(units[unit])"
    }

    /// A number without a needless decimal: `50`, `99.9`.
    static func short(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    }
}
