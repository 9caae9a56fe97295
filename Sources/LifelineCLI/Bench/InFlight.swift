/// The times at which a connection's messages in flight were sent, oldest first. Echoes arrive in the order of the
/// messages.
struct InFlight {
    private var ring: [UInt64]
    private var first = 0
    private(set) var count = 0

    /// - Parameter capacity: The most messages in flight, at least one.
    init(capacity: Int) {
        ring = Array(repeating: 0, count: capacity)
    }

    /// Adds a message.
    @inline(__always)
    mutating func append(_ moment: UInt64) {
        precondition(count < ring.count, "more messages in flight than there is room for")
        var place = first &+ count
        if place >= ring.count { place &-= ring.count }
        ring[place] = moment
        count &+= 1
    }

    /// All times.
    var moments: [UInt64] { (0..<count).map { ring[(first + $0) % ring.count] } }

    /// Removes the oldest.
    @inline(__always)
    mutating func popFirst() -> UInt64? {
        guard count > 0 else { return nil }
        let moment = ring[first]
        first &+= 1
        if first == ring.count { first = 0 }
        count &-= 1
        return moment
    }
}
