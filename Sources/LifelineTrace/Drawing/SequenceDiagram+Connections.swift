extension SequenceDiagram {
    /// The connection that preceded another one of its recording.
    public typealias Predecessor = Recording.Predecessor

    /// Creates diagrams of all connections of a recording, in the order in which they appear, with their predecessors.
    public static func all(of recording: Recording, options: Options = Options()) -> [SequenceDiagram] {
        let predecessors = ConnectionOrder.predecessors(of: recording)
        let events = Dictionary(grouping: recording.events, by: \.connection)
        return recording.connections.map { connection in
            var diagram = SequenceDiagram(events[connection] ?? [], options: options)
            diagram.predecessor = predecessors[connection]
            return diagram
        }
    }

    /// A heading for a diagram among several: `connection 2, 1.20 s after connection 1 ended`.
    public var heading: String {
        predecessor?.heading(of: connection) ?? Recording.heading(of: connection)
    }
}
