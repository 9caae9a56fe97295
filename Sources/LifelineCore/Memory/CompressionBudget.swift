import Synchronization

/// A limit on the memory that compression uses, over all connections that share the budget.
///
/// The budget counts compressors and decompressors that are in use or keep a window between messages, the windows of idle connections,
/// and the spare streams that event loops keep.
///
/// When the limit is reached, new connections negotiate no compression, and a message is sent uncompressed if a compressor would have
/// to be allocated for it. Existing agreements are kept: compressed messages that arrive are still decompressed. So the limit can be
/// exceeded by one decompressor per open connection (a window of 256 bytes to 32 KiB, and 10 KB).
public final class CompressionBudget: Sendable {
    /// The default budget of all connections: 256 MiB.
    public static let shared = CompressionBudget(limit: 256 << 20)

    /// The limit in bytes.
    public let limit: Int
    private let used = Atomic<Int>(0)

    /// Creates a budget.
    ///
    /// - Parameter limit: The limit in bytes. With 0 nothing is compressed.
    public init(limit: Int) {
        self.limit = limit
    }

    /// The bytes in use at this moment.
    public var bytesInUse: Int { used.load(ordering: .relaxed) }

    /// Whether the limit has been reached.
    public var isExhausted: Bool { bytesInUse >= limit }

    /// Counts bytes that were allocated.
    func take(_ bytes: Int) {
        used.wrappingAdd(bytes, ordering: .relaxed)
    }

    /// Counts bytes that were freed.
    func give(_ bytes: Int) {
        used.wrappingSubtract(bytes, ordering: .relaxed)
    }
}

extension CompressionBudget: Hashable {
    /// Whether both are the same object.
    public static func == (left: CompressionBudget, right: CompressionBudget) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
