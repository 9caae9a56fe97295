import Synchronization

/// Numbers the connections of the process.
enum ConnectionID {
    private static let last = Atomic<UInt64>(0)

    /// Returns the number of the next connection. The first is 1.
    static func next() -> UInt64 {
        last.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
