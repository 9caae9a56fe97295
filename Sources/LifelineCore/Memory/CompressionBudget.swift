import Synchronization

/// The memory that compression may take, over all connections that share the budget.
///
/// What counts is what there is: the compressors and decompressors of connections that are at work or keep a window from
/// message to message, the windows kept in their place on idle connections, and the spare ones that the event loops hold.
/// Once the limit is reached, new connections negotiate no compression, and messages for which a compressor would have to be
/// made are sent as they are. What has been agreed on is kept: a message that arrives compressed is decompressed, so that the
/// limit may be passed by a decompressor for each connection that was open by then (a window, 256 bytes to 32 KiB, and
/// 10 KB).
public final class CompressionBudget: Sendable {
    /// The budget that connections share unless they are given another: 256 MiB.
    public static let shared = CompressionBudget(limit: 256 << 20)

    /// The most bytes.
    public let limit: Int
    private let used = Atomic<Int>(0)

    /// A budget.
    ///
    /// - Parameter limit: The most bytes; 0 for none, so that nothing is compressed.
    public init(limit: Int) {
        self.limit = limit
    }

    /// The bytes that are taken at this moment.
    public var size: Int { used.load(ordering: .relaxed) }

    /// Whether no more is to be taken.
    public var isExhausted: Bool { size >= limit }

    func take(_ bytes: Int) {
        used.wrappingAdd(bytes, ordering: .relaxed)
    }

    func give(_ bytes: Int) {
        used.wrappingSubtract(bytes, ordering: .relaxed)
    }
}

extension CompressionBudget: Hashable {
    /// Budgets are the same where they are one.
    public static func == (left: CompressionBudget, right: CompressionBudget) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(self))
    }
}
