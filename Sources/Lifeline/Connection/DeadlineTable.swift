import LifelineCore

/// The deadlines of a loop's connections: one number each, side by side, swept when the earliest is due.
///
/// A sweep over ten thousand deadlines reads 80 KB in order, which is cheaper than a heap's or a scheduler's bookkeeping
/// for deadlines that move all the time and rarely come.
struct DeadlineTable {
    private var deadlines: ContiguousArray<Int64> = []
    private var connections: ContiguousArray<Connection> = []

    var isEmpty: Bool { connections.isEmpty }

    /// All connections of the loop.
    var all: ContiguousArray<Connection> { connections }

    /// Adds a connection and returns its place.
    mutating func insert(_ connection: Connection) -> Int {
        deadlines.append(.max)
        connections.append(connection)
        return connections.count - 1
    }

    /// Removes the connection at a place; the last one takes it over.
    mutating func remove(at place: Int) {
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

    /// The connections whose deadline has come. Those have none until it is set again.
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
