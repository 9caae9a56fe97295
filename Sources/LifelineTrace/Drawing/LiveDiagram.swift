public import Lifeline

/// A diagram that is drawn while it happens: each event gives the lines that are certain by then.
///
/// What has been given out is not kept: a connection may last for ever.
public struct LiveDiagram: Sendable {
    private var builder: DiagramBuilder
    private let options: SequenceDiagram.Options
    private let renderer: TerminalRenderer
    private var hasHeader = false
    private var lastTime: Int64?

    /// A diagram of one connection.
    ///
    /// - Parameters:
    ///   - observer: The side that sees it.
    ///   - renderer: How it is drawn.
    ///   - options: What is drawn. Nothing is collapsed.
    public init(
        observer: WebSocketRole, renderer: TerminalRenderer,
        options: SequenceDiagram.Options = SequenceDiagram.Options()
    ) {
        builder = DiagramBuilder(options: options, observer: observer)
        self.options = options
        self.renderer = renderer
    }

    /// Adds an event.
    ///
    /// - Returns: The lines to write. The last arrow waits, since what follows may say more about it; ``settle()`` gives
    ///   it out.
    public mutating func add(_ event: TraceEvent) -> [String] {
        builder.add(event)
        return lines(of: builder.rows.count - 1)
    }

    /// The lines of all that has been added.
    public mutating func settle() -> [String] {
        lines(of: builder.rows.count)
    }

    /// The lines behind the last row.
    public mutating func end() -> [String] {
        settle() + (hasHeader ? renderer.footer() : [])
    }

    /// The number of rows that are kept, and not given out yet.
    var keptRows: Int { builder.rows.count }

    /// The lines of the first rows that are kept.
    private mutating func lines(of count: Int) -> [String] {
        guard count > 0 else { return [] }
        var lines: [String] = []
        for (index, row) in builder.rows.prefix(count).enumerated() {
            if !hasHeader {
                hasHeader = true
                lines += renderer.header(SequenceDiagram(title: "", rows: []))
            }
            // A phase begins when its first row does.
            let next = index + 1 < builder.rows.count ? builder.rows[index + 1].time : nil
            if let time = row.time ?? next {
                let passed = lastTime.map { time.subtractingSaturating($0) } ?? 0
                if lastTime != nil, passed >= options.pause { lines += renderer.lines(.pause(nanoseconds: passed)) }
                lastTime = time
            }
            lines += renderer.lines(row)
        }
        builder.remove(count)
        return lines
    }
}

extension SequenceDiagram {
    /// A diagram of the given rows.
    init(title: String, rows: [Row]) {
        connection = 0
        self.title = title
        observer = .client
        self.rows = rows
    }
}
