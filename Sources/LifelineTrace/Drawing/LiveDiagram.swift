public import Lifeline

/// A diagram that is drawn while the connection lasts: each event returns the lines that can no longer change.
///
/// Lines that were returned are not kept, so memory does not grow with the connection.
public struct LiveDiagram: Sendable {
    private var builder: DiagramBuilder
    private let options: SequenceDiagram.Options
    private let renderer: TerminalRenderer
    private var hasHeader = false
    private var lastTime: Int64?

    /// Creates a diagram of one connection.
    ///
    /// - Parameters:
    ///   - observer: The side that observes the connection.
    ///   - renderer: The renderer of the lines.
    ///   - options: What is drawn. Repeated arrows are not collapsed, whatever the options say.
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
    /// - Returns: The lines to write. The last row is held back, because the next event may add to it; ``settle()`` returns it.
    public mutating func add(_ event: TraceEvent) -> [String] {
        builder.add(event)
        return lines(of: builder.rows.count - 1)
    }

    /// Returns the remaining lines of all events so far.
    public mutating func settle() -> [String] {
        lines(of: builder.rows.count)
    }

    /// Returns the remaining lines and the footer.
    public mutating func end() -> [String] {
        settle() + (hasHeader ? renderer.footer() : [])
    }

    /// The number of rows that have not been returned yet.
    var keptRows: Int { builder.rows.count }

    /// Returns the lines of the first `count` rows that have not been returned yet.
    private mutating func lines(of count: Int) -> [String] {
        guard count > 0 else { return [] }
        var lines: [String] = []
        for (index, row) in builder.rows.prefix(count).enumerated() {
            if !hasHeader {
                hasHeader = true
                lines += renderer.header(SequenceDiagram(title: "", rows: []))
            }
            // A phase has the time of its first row.
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
    /// Creates a diagram of the given rows.
    init(title: String, rows: [Row]) {
        connection = 0
        self.title = title
        observer = .client
        self.rows = rows
    }
}
