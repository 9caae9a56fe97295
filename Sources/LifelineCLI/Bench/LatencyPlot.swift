import LifelineTrace

/// Draws a run's latency over percentiles as an SVG file for light and dark backgrounds.
///
/// The scale of the percentiles gives each further nine as much room as the one before: 90, 99, 99.9, … The scale of
/// the latencies is logarithmic.
struct LatencyPlot {
    private let latencies: Latencies
    private let title: String
    private let subtitle: String

    private static let width = 720.0
    private static let height = 440.0
    private static let left = 84.0
    private static let right = 690.0
    private static let top = 96.0
    private static let bottom = 380.0

    init(_ latencies: Latencies, title: String, subtitle: String) {
        self.latencies = latencies
        self.title = title
        self.subtitle = subtitle
    }

    /// The number of nines for which there are enough latencies: ten for each further one.
    private var nines: Int {
        var (nines, count) = (1, latencies.count / 10)
        while count >= 10, nines < 6 { (nines, count) = (nines + 1, count / 10) }
        return nines
    }

    /// The drawing.
    var svg: String {
        let curve = points
        let decades = decades(curve.map(\.nanoseconds))
        var lines = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(LatencyPlot.width)) \(Int(LatencyPlot.height))" \
            role="img" aria-labelledby="title">
            """,
            "<title id=\"title\">\(LatencyPlot.escaped(title))</title>", LatencyPlot.style,
            "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>",
            text(24, 34, title, "head"), text(24, 54, subtitle, "note"),
        ]
        for tick in ticks(decades) {
            let y = LatencyPlot.place(vertical: tick, decades)
            lines.append(line(LatencyPlot.left, y, LatencyPlot.right, y, "grid"))
            lines.append(text(LatencyPlot.left - 8, y + 4, Duration.nanoseconds(Int64(tick)).text(), "note end"))
        }
        for nine in 0...nines {
            let x = place(nines: Double(nine))
            lines.append(line(x, LatencyPlot.top, x, LatencyPlot.bottom, "grid"))
            lines.append(text(x, LatencyPlot.bottom + 20, LatencyPlot.label(nines: nine), "note middle"))
        }
        lines.append(text(LatencyPlot.left, LatencyPlot.top - 14, "latency", "note end"))
        let middle = (LatencyPlot.left + LatencyPlot.right) / 2
        lines.append(text(middle, LatencyPlot.bottom + 44, "percentile", "note middle"))
        let path = curve.map { point in
            number(place(nines: point.nines)) + "," + number(LatencyPlot.place(vertical: point.nanoseconds, decades))
        }
        lines.append("<polyline class=\"curve\" points=\"\(path.joined(separator: " "))\"/>")
        lines.append("</svg>")
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: The curve

    private struct Point {
        var nines: Double
        var nanoseconds: Double
    }

    private var points: [Point] {
        guard !latencies.isEmpty else { return [] }
        let steps = nines * 40
        return (0...steps).map { step in
            let nines = Double(step) / 40
            let percent = 100 * (1 - System.power(-nines))
            return Point(nines: nines, nanoseconds: max(latencies.percentile(percent) / .nanoseconds(1), 1))
        }
    }

    // MARK: Scales

    /// The powers of ten between which the latencies lie.
    private func decades(_ nanoseconds: [Double]) -> ClosedRange<Int> {
        let first = Int(System.logarithm(nanoseconds.min() ?? 1).rounded(.down))
        let last = Int(System.logarithm(nanoseconds.max() ?? 10).rounded(.up))
        return first...max(last, first + 1)
    }

    private func ticks(_ decades: ClosedRange<Int>) -> [Double] {
        let steps: [Double] = decades.count > 4 ? [1] : [1, 2, 5]
        let highest = System.power(Double(decades.upperBound)) * 1.001
        var ticks: [Double] = []
        for decade in decades {
            for step in steps {
                let tick = step * System.power(Double(decade))
                if tick <= highest { ticks.append(tick) }
            }
        }
        return ticks
    }

    private static func place(vertical nanoseconds: Double, _ decades: ClosedRange<Int>) -> Double {
        let share =
            (System.logarithm(nanoseconds) - Double(decades.lowerBound))
            / Double(decades.upperBound - decades.lowerBound)
        return bottom - share * (bottom - top)
    }

    private func place(nines value: Double) -> Double {
        LatencyPlot.left + value / Double(nines) * (LatencyPlot.right - LatencyPlot.left)
    }

    private static func label(nines: Int) -> String {
        switch nines {
        case 0: "0"
        case 1: "90"
        case 2: "99"
        default: "99." + String(repeating: "9", count: nines - 2)
        }
    }

    // MARK: Marks

    private static let style = """
        <style>
        svg { font-family: system-ui, sans-serif; font-size: 12px }
        .paper { fill: #ffffff } .head { font-size: 16px; font-weight: 600; fill: #1b1b1f } .note { fill: #55555e }
        .grid { stroke: #d9d9de; stroke-width: 1 } .curve { fill: none; stroke: #1f6feb; stroke-width: 2.5 }
        .end { text-anchor: end } .middle { text-anchor: middle }
        @media (prefers-color-scheme: dark) {
        .paper { fill: #16161a } .head { fill: #f1f1f4 } .note { fill: #a9a9b4 }
        .grid { stroke: #34343c } .curve { stroke: #6cb0ff }
        }
        </style>
        """

    private func text(_ x: Double, _ y: Double, _ text: String, _ classes: String) -> String {
        "<text class=\"\(classes)\" x=\"\(number(x))\" y=\"\(number(y))\">\(LatencyPlot.escaped(text))</text>"
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ name: String) -> String {
        "<line class=\"\(name)\" x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\"/>"
    }

    private func number(_ value: Double) -> String { Figures.short((value * 10).rounded() / 10) }

    private static func escaped(_ text: String) -> String {
        text.visible().replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
