/// A zlib stream that can be reused for another message or another connection.
///
/// It owns its memory and a reference to the budget that counts it, so both are released with the last reference to the stream.
protocol ReusableStream: AnyObject {
    /// What makes streams interchangeable.
    associatedtype Kind: Equatable

    /// Whether a stream may be created only if the budget is not exhausted.
    static var needsBudget: Bool { get }
    /// Calls `body` with the pool of spare streams of this type.
    static func withPool<Result>(
        of loop: inout CompressionPool, _ body: (inout StreamPool<Self>) -> Result
    ) -> Result

    /// Creates a stream with an empty window; `nil` if the system has no memory for it.
    init?(_ kind: Kind, budget: CompressionBudget)
    /// Empties the window.
    func reset()
    /// The bytes of memory that the stream uses.
    var size: Int { get }
    /// A copy of the window.
    var window: [UInt8] { get }
    /// Sets the window of a stream whose window is empty.
    func restore(_ window: [UInt8])
}

/// Spare streams, kept for the next message or the next connection.
///
/// Creating a stream costs many times more than resetting one. A loop works on one message at a time, so a few streams serve all of its
/// connections that keep no window between messages.
struct StreamPool<Stream: ReusableStream>: ~Copyable {
    /// The most spare streams of one kind. More are in use only while messages arrive or leave in pieces.
    private let maximumSpare = 4
    /// The most kinds. More are in use only if connections agree on many different windows.
    private let maximumKinds = 8

    private struct Shelf {
        var kind: Stream.Kind
        var budget: CompressionBudget
        var spare: [Stream]
    }

    private var shelves: [Shelf] = []

    /// Takes a stream with an empty window; `nil` if there is no memory for another one.
    mutating func take(_ kind: Stream.Kind, _ budget: CompressionBudget) -> Stream? {
        if let index = index(of: kind, budget), let spare = shelves[index].spare.popLast() { return spare }
        return Stream.needsBudget && budget.isExhausted ? nil : Stream(kind, budget: budget)
    }

    /// Returns a stream to the pool, which may drop it.
    mutating func give(_ stream: Stream, _ kind: Stream.Kind, _ budget: CompressionBudget) {
        if let index = index(of: kind, budget) {
            // One is kept even if the budget is exhausted: creating it for each message would cost more than it saves.
            let spare = shelves[index].spare.count
            guard spare == 0 || spare < maximumSpare && !budget.isExhausted else { return }
            stream.reset()
            shelves[index].spare.append(stream)
        } else {
            if shelves.count >= maximumKinds { shelves.removeFirst() }
            stream.reset()
            shelves.append(Shelf(kind: kind, budget: budget, spare: [stream]))
        }
    }

    private func index(of kind: Stream.Kind, _ budget: CompressionBudget) -> Int? {
        shelves.firstIndex { $0.kind == kind && $0.budget === budget }
    }
}

/// The spare compressors and decompressors of a loop.
struct CompressionPool: ~Copyable {
    var compressors = StreamPool<DeflateStream>()
    var decompressors = StreamPool<InflateStream>()
}
