extension SequenceDiagram {
    /// A connection that came before another of its recording.
    public struct Predecessor: Hashable, Sendable {
        /// Its number.
        public var connection: UInt64
        /// The nanoseconds that have passed since it ended, or, where it had not ended, since it began.
        public var delay: Int64
        /// Whether it had ended, and the other follows it: the same two sides, for the same resource.
        public var hasEnded: Bool
    }

    /// Draws all connections of a recording, in the order in which they appear, each with what came before it.
    public static func all(of recording: Recording, options: Options = Options()) -> [SequenceDiagram] {
        let predecessors = ConnectionOrder.predecessors(of: recording)
        let events = Dictionary(grouping: recording.events, by: \.connection)
        return recording.connections.map { connection in
            var diagram = SequenceDiagram(events[connection] ?? [], options: options)
            diagram.predecessor = predecessors[connection]
            return diagram
        }
    }

    /// Which connection it is, among several: `connection 2, 1.20 s after connection 1 ended`.
    public var heading: String { SequenceDiagram.heading(connection, predecessor) }

    static func heading(_ connection: UInt64, _ predecessor: Predecessor?) -> String {
        guard let predecessor else { return "connection \(connection)" }
        return "connection \(connection), \(Duration.nanoseconds(predecessor.delay).text()) after connection "
            + "\(predecessor.connection) \(predecessor.hasEnded ? "ended" : "began")"
    }
}
