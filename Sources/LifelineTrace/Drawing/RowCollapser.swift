import Lifeline

/// Draws what is repeated once, and says how often; and puts in where time passed.
enum RowCollapser {
    static func collapse(_ rows: [SequenceDiagram.Row], _ options: SequenceDiagram.Options) -> [SequenceDiagram.Row] {
        var result: [SequenceDiagram.Row] = []
        var index = 0
        var lastTime: Int64?
        func addPause(_ time: Int64?) {
            guard let time else { return }
            let passed = lastTime.map { time.subtractingSaturating($0) } ?? 0
            if lastTime != nil, passed >= options.pause { result.append(.pause(nanoseconds: passed)) }
            lastTime = time
        }
        while index < rows.count {
            if let least = options.collapses, let (period, times) = longestRun(rows, from: index, least: least) {
                // Twice is shown, so that one sees what it is that is repeated.
                let shown = period * min(2, times)
                for row in rows[index..<(index + shown)] {
                    addPause(row.time)
                    result.append(row)
                }
                let end = index + period * times
                let until = rows[end - 1].time ?? 0
                result.append(.repeats(arrows: period, times: times - min(2, times), until: until))
                lastTime = until
                index = end
            } else {
                // A phase begins when its first row does.
                addPause(rows[index].time ?? (index + 1 < rows.count ? rows[index + 1].time : nil))
                result.append(rows[index])
                index += 1
            }
        }
        return result
    }

    /// How many arrows, from here on, are repeated how often; `nil` where it is not worth it.
    private static func longestRun(
        _ rows: [SequenceDiagram.Row], from start: Int, least: Int
    ) -> (period: Int, times: Int)? {
        var best: (period: Int, times: Int)?
        // What there is once or twice is drawn so.
        let least = max(least, 2)
        for period in 1...4 where (rows.count - start) / period > least {
            guard rows[start..<(start + period)].allSatisfy({ $0.repeatKey != nil }) else { break }
            var times = 1
            while start + period * (times + 1) <= rows.count,
                (0..<period).allSatisfy({
                    rows[start + period * times + $0].repeatKey == rows[start + $0].repeatKey
                })
            { times += 1 }
            if times > least, best.map({ $0.period * $0.times < period * times }) ?? true { best = (period, times) }
        }
        return best
    }
}

extension SequenceDiagram.Row {
    /// When it happened; `nil` for what has no time of its own.
    var time: Int64? {
        switch self {
        case .arrow(let arrow): arrow.time
        case .note(let note): note.time
        case .phase, .pause, .repeats: nil
        }
    }

    /// What must be the same for a row to be a repetition; `nil` where it is none in any case.
    fileprivate var repeatKey: String? {
        guard case .arrow(let arrow) = self, [.text, .binary, .heartbeat].contains(arrow.style) else { return nil }
        return "\(arrow.from) \(arrow.label)"
    }
}
