/// A queue of connections that may send a message.
struct ReadyQueue {
    private var connections: [LoadConnection] = []
    private var removed = 0

    var isEmpty: Bool { removed == connections.count }

    var first: LoadConnection? { isEmpty ? nil : connections[removed] }

    mutating func append(_ connection: LoadConnection) {
        // Compacts when at least half is removed, so seldom that it costs nothing.
        if removed > 64, removed * 2 > connections.count {
            connections.removeFirst(removed)
            removed = 0
        }
        connections.append(connection)
    }

    mutating func removeFirst() {
        removed += 1
    }
}
