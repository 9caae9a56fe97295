import Lifeline

/// Collapses repeated arrows, and inserts pauses.
enum RowCollapser {
    /// Returns the rows with repetitions collapsed and pauses inserted.
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
                // The first two repetitions are shown, so that the pattern can be seen.
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
                // A phase has the time of its first row.
                addPause(rows[index].time ?? (index + 1 < rows.count ? rows[index + 1].time : nil))
                result.append(rows[index])
                index += 1
            }
        }
        return result
    }

    /// Finds the longest repetition of one to four arrows that begins at a row.
    ///
    /// - Returns: The number of arrows, and how often they occur; `nil` if it is not more than `least` times.
    private static func longestRun(
        _ rows: [SequenceDiagram.Row], from start: Int, least: Int
    ) -> (period: Int, times: Int)? {
        var best: (period: Int, times: Int)?
        // Two occurrences are always shown.
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
    /// The row's time; `nil` if it has none.
    var time: Int64? {
        switch self {
        case .arrow(let arrow): arrow.time
        case .note(let note): note.time
        case .phase, .pause, .repeats: nil
        }
    }

    /// Rows with equal keys are repetitions; `nil` for a row that is never one.
    fileprivate var repeatKey: String? {
        guard case .arrow(let arrow) = self, [.text, .binary, .heartbeat].contains(arrow.style) else { return nil }
        return "\(arrow.from) \(arrow.label)"
    }
}
