/// A pool of the large blocks of memory in which messages are assembled.
///
/// The system takes large blocks back when they are freed, and maps new ones page by page, which costs more than everything else that
/// is done to a large message. All connections of a loop share a pool. A pool must not be shared between threads. What it keeps is
/// bounded.
public final class MemoryPool {
    /// The smallest block that is kept, in bytes.
    static let minimumSize = 64 << 10
    /// The largest block that is kept, in bytes.
    static let maximumSize = 16 << 20

    private let limit: Int
    @exclusivity(unchecked) private var spare: [[UnsafeMutableRawPointer]]
    /// The bytes of the blocks that are kept.
    @exclusivity(unchecked) private(set) var size = 0
    /// Spare compressors and decompressors.
    @exclusivity(unchecked) private var compression = CompressionPool()

    /// Returns whether the caller runs on the loop that the pool belongs to. Debug builds call it each time something is taken or
    /// returned.
    package var confinement: (() -> Bool)?
    /// Counts the work done with the pool's memory; for tests.
    package var meter: WorkMeter?

    /// Creates a pool.
    ///
    /// - Parameter limit: The most bytes to keep. Default: 16 MiB.
    public init(limit: Int = 16 << 20) {
        self.limit = max(limit, 0)
        spare = Array(repeating: [], count: MemoryPool.index(of: MemoryPool.maximumSize) + 1)
    }

    deinit {
        for blocks in spare {
            for block in blocks { block.deallocate() }
        }
    }

    /// Asserts that the pool is used on the loop that it belongs to.
    @inline(__always)
    private func assertConfined() {
        assert(confinement?() ?? true, "the pool is used off the loop that it belongs to")
    }

    /// Takes a block of at least `minimum` bytes.
    func take(_ minimum: Int) -> (base: UnsafeMutableRawPointer, capacity: Int) {
        assertConfined()
        guard minimum <= MemoryPool.maximumSize else {
            meter?.allocated += minimum
            return (.allocate(byteCount: minimum, alignment: 16), minimum)
        }
        let index = MemoryPool.index(of: minimum)
        let capacity = MemoryPool.minimumSize << index
        if let base = spare[index].popLast() {
            size -= capacity
            return (base, capacity)
        }
        meter?.allocated += capacity
        return (.allocate(byteCount: capacity, alignment: 16), capacity)
    }

    /// Returns a block to the pool.
    func give(_ base: UnsafeMutableRawPointer, capacity: Int) {
        assertConfined()
        let index = MemoryPool.index(of: capacity)
        guard capacity <= MemoryPool.maximumSize, MemoryPool.minimumSize << index == capacity, capacity <= limit - size
        else { return base.deallocate() }
        spare[index].append(base)
        size += capacity
    }

    // MARK: Compression

    /// Takes a stream with an empty window; `nil` if the budget or the system has no memory for one.
    func take<Stream: ReusableStream>(_ kind: Stream.Kind, _ budget: CompressionBudget) -> Stream? {
        assertConfined()
        return Stream.withPool(of: &compression) { $0.take(kind, budget) }
    }

    /// Returns a stream to the pool.
    func give<Stream: ReusableStream>(_ stream: Stream, _ kind: Stream.Kind, _ budget: CompressionBudget) {
        assertConfined()
        Stream.withPool(of: &compression) { $0.give(stream, kind, budget) }
    }

    /// Returns the index of the smallest size of blocks that holds `size` bytes.
    private static func index(of size: Int) -> Int {
        guard size > minimumSize else { return 0 }
        return (size - 1).bitWidth - (size - 1).leadingZeroBitCount - minimumSize.trailingZeroBitCount
    }
}
