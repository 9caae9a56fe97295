import Synchronization

/// Numbers the process's connections.
enum ConnectionID {
    private static let last = Atomic<UInt64>(0)

    /// The number of the next connection, from 1 on.
    static func next() -> UInt64 {
        last.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
