/// A diagram that is drawn while it happens: each event gives the lines that are certain by then.
public struct LiveDiagram: Sendable {
    private var builder: DiagramBuilder
    private let options: SequenceDiagram.Options
    private let renderer: TerminalRenderer
    private var drawn = 0
    private var hasHeader = false
    private var lastTime: Int64?

    /// A diagram of one connection.
    ///
    /// - Parameters:
    ///   - observer: The side that sees it.
    ///   - renderer: How it is drawn.
    ///   - options: What is drawn. Nothing is collapsed.
    public init(
        observer: TraceEvent.Observer, renderer: TerminalRenderer,
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
        return lines(upTo: builder.rows.count - 1)
    }

    /// The lines of all that has been added.
    public mutating func settle() -> [String] {
        lines(upTo: builder.rows.count)
    }

    /// The lines behind the last row.
    public mutating func end() -> [String] {
        settle() + (hasHeader ? renderer.footer() : [])
    }

    private mutating func lines(upTo end: Int) -> [String] {
        var lines: [String] = []
        while drawn < end {
            let row = builder.rows[drawn]
            drawn += 1
            if !hasHeader {
                hasHeader = true
                lines += renderer.header(SequenceDiagram(title: "", rows: []))
            }
            // A phase begins when its first row does.
            let next = drawn < builder.rows.count ? builder.rows[drawn].time : nil
            if let time = row.time ?? next {
                if let lastTime, time - lastTime >= options.pause {
                    lines += renderer.lines(.pause(nanoseconds: time - lastTime))
                }
                lastTime = time
            }
            lines += renderer.lines(row)
        }
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
