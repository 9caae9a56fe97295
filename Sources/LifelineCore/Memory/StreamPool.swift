/// A stream of zlib's that can be used again for another message, or another connection.
///
/// It owns its memory, and the budget that counts it: both are given back when nobody holds it any more, whoever was the last.
protocol ReusableStream: AnyObject {
    /// What makes streams interchangeable.
    associatedtype Kind: Equatable

    /// A stream with an empty window; `nil` where the system has no memory for it.
    init?(_ kind: Kind, budget: CompressionBudget)
    /// Forgets the window.
    func reset()
}

/// Streams that are kept from one message to the next, and from one connection to another.
///
/// Making one costs many times what resetting one does. A loop works on one message at a time, so a few serve all of its
/// connections that keep no window between messages.
struct StreamPool<Stream: ReusableStream>: ~Copyable {
    /// The most spare streams of one kind. More are in use only while messages arrive or leave in pieces.
    private let maximumSpare = 4
    /// The most kinds; there are more only where connections agree on many different windows.
    private let maximumKinds = 8

    private struct Shelf {
        var kind: Stream.Kind
        var budget: CompressionBudget
        var spare: [Stream]
    }

    private var shelves: [Shelf] = []

    /// A stream with an empty window.
    ///
    /// - Parameter withinBudget: Whether one may only be made where the budget has room.
    /// - Returns: `nil` where there is no memory for another one.
    mutating func take(_ kind: Stream.Kind, _ budget: CompressionBudget, withinBudget: Bool) -> Stream? {
        if let index = index(of: kind, budget), let spare = shelves[index].spare.popLast() { return spare }
        return withinBudget && budget.isExhausted ? nil : Stream(kind, budget: budget)
    }

    /// Takes a stream back.
    mutating func give(_ stream: Stream, _ kind: Stream.Kind, _ budget: CompressionBudget) {
        if let index = index(of: kind, budget) {
            // One is kept even where memory is short: making it anew for each message would cost more than it saves.
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

/// What a loop keeps of compressors and decompressors.
struct CompressionPool: ~Copyable {
    var compressors = StreamPool<DeflateStream>()
    var decompressors = StreamPool<InflateStream>()
}
