import LifelineCore

/// The connections of a loop and their deadlines, in two arrays of the same length, searched when the earliest is due.
///
/// Deadlines move all the time and rarely expire. Reading ten thousand of them in order (80 KB) costs less than keeping them
/// in a heap.
///
/// Invariant: `connections[place].deadlinePlace == place`.
struct DeadlineTable {
    /// Nanoseconds of the loop's clock; `.max` for none.
    private var deadlines: ContiguousArray<Int64> = []
    private var connections: ContiguousArray<Connection> = []

    var isEmpty: Bool { connections.isEmpty }

    /// All connections of the loop.
    var all: ContiguousArray<Connection> { connections }

    /// Adds a connection without a deadline.
    ///
    /// - Returns: Its place, which changes when another connection is removed.
    mutating func insert(_ connection: Connection) -> Int {
        deadlines.append(.max)
        connections.append(connection)
        return connections.count - 1
    }

    /// Removes the connection at a place. The last connection takes its place.
    mutating func remove(at place: Int) {
        assert(connections[place].deadlinePlace == place && deadlines.count == connections.count)
        let last = connections.count - 1
        if place != last {
            deadlines[place] = deadlines[last]
            connections[place] = connections[last]
            connections[place].deadlinePlace = place
        }
        deadlines.removeLast()
        connections.removeLast()
    }

    /// Sets the deadline at a place.
    @inline(__always)
    mutating func set(_ deadline: MonotonicInstant?, at place: Int) {
        deadlines[place] = deadline?.nanoseconds ?? .max
    }

    /// Removes the deadlines that are due, and returns their connections.
    mutating func takeDue(at now: MonotonicInstant) -> [Connection] {
        var due: [Connection] = []
        for place in deadlines.indices where deadlines[place] <= now.nanoseconds {
            deadlines[place] = .max
            due.append(connections[place])
        }
        return due
    }

    /// The earliest deadline.
    var earliest: MonotonicInstant? {
        guard let least = deadlines.min(), least < .max else { return nil }
        return MonotonicInstant(nanoseconds: least)
    }
}
