public import Lifeline

/// Draws a connection while it happens: each event gives the lines that no later event changes.
///
/// It does not keep the lines that it has returned, since a connection may last for ever.
public struct LiveDiagram: Sendable {
    private var builder: DiagramBuilder
    private let options: SequenceDiagram.Options
    private let renderer: TerminalRenderer
    private var hasHeader = false
    private var lastTime: Int64?

    /// Creates the diagram of one connection.
    ///
    /// - Parameters:
    ///   - observer: The side that observes the connection.
    ///   - renderer: Draws the rows.
    ///   - options: How the diagram is made. Repeated arrows are always drawn.
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
    /// - Returns: The lines to write. The last arrow waits, since the next event may add details to it; ``settle()``
    ///   returns it.
    public mutating func add(_ event: TraceEvent) -> [String] {
        builder.add(event)
        return lines(of: builder.rows.count - 1)
    }

    /// Returns the lines of all events so far.
    public mutating func settle() -> [String] {
        lines(of: builder.rows.count)
    }

    /// Returns the lines of all events so far, and the end of the lifelines.
    public mutating func end() -> [String] {
        settle() + (hasHeader ? renderer.footer() : [])
    }

    /// The number of rows that wait.
    var keptRows: Int { builder.rows.count }

    /// Returns the lines of the first waiting rows, and removes these rows.
    private mutating func lines(of count: Int) -> [String] {
        guard count > 0 else { return [] }
        var lines: [String] = []
        for (index, row) in builder.rows.prefix(count).enumerated() {
            if !hasHeader {
                hasHeader = true
                lines += renderer.header(SequenceDiagram(title: "", rows: []))
            }
            // A phase begins with its first row.
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
