/// Large blocks of memory that messages are put together in, kept from one message to the next.
///
/// The system takes large blocks back when they are freed, and gives fresh ones out page by page, which costs more than
/// all else that is done to a large message. One pool serves all connections of a loop; it is not to be shared between
/// threads. What it keeps is bounded.
public final class MemoryPool {
    /// From this size on blocks are kept, in bytes.
    static let minimumSize = 64 << 10
    /// The largest block that is kept, in bytes.
    static let maximumSize = 16 << 20

    private let limit: Int
    @exclusivity(unchecked) private var spare: [[UnsafeMutableRawPointer]]
    /// The bytes of the blocks that are kept.
    @exclusivity(unchecked) private(set) var size = 0
    /// Compressors and decompressors, which are kept likewise.
    @exclusivity(unchecked) private var compression = CompressionPool()

    /// Whether the caller may use the pool: whether it runs on the loop that the pool belongs to. Asked in debug builds alone,
    /// each time something is taken or given back; the pool itself knows no threads.
    package var confinement: (() -> Bool)?
    /// Counts what is copied and allocated for what is put together with the pool's memory; for tests.
    package var meter: WorkMeter?

    /// A pool.
    ///
    /// - Parameter limit: The most bytes that are kept. Default: 16 MiB.
    public init(limit: Int = 16 << 20) {
        self.limit = max(limit, 0)
        spare = Array(repeating: [], count: MemoryPool.index(of: MemoryPool.maximumSize) + 1)
    }

    deinit {
        for blocks in spare {
            for block in blocks { block.deallocate() }
        }
    }

    /// Makes sure, in debug builds, that the pool is used where it belongs.
    @inline(__always)
    private func assertConfined() {
        assert(confinement?() ?? true, "a pool is used off the loop that it belongs to")
    }

    /// A block of at least `minimum` bytes.
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

    /// Takes a block back.
    func give(_ base: UnsafeMutableRawPointer, capacity: Int) {
        assertConfined()
        let index = MemoryPool.index(of: capacity)
        guard capacity <= MemoryPool.maximumSize, MemoryPool.minimumSize << index == capacity, capacity <= limit - size
        else { return base.deallocate() }
        spare[index].append(base)
        size += capacity
    }

    // MARK: Compression

    /// A compressor with an empty window; `nil` where the budget has no room, or the system no memory.
    func takeCompressor(_ kind: CompressorKind, _ budget: CompressionBudget) -> DeflateStream? {
        assertConfined()
        return compression.compressors.take(kind, budget, withinBudget: true)
    }

    /// Takes a compressor back.
    func give(_ compressor: DeflateStream, _ kind: CompressorKind, _ budget: CompressionBudget) {
        assertConfined()
        compression.compressors.give(compressor, kind, budget)
    }

    /// A decompressor with an empty window; `nil` where the system has no memory.
    func takeDecompressor(_ windowBits: Int, _ budget: CompressionBudget) -> InflateStream? {
        assertConfined()
        return compression.decompressors.take(windowBits, budget, withinBudget: false)
    }

    /// Takes a decompressor back.
    func give(_ decompressor: InflateStream, _ windowBits: Int, _ budget: CompressionBudget) {
        assertConfined()
        compression.decompressors.give(decompressor, windowBits, budget)
    }

    /// The class of the smallest blocks that hold `size` bytes.
    private static func index(of size: Int) -> Int {
        guard size > minimumSize else { return 0 }
        return (size - 1).bitWidth - (size - 1).leadingZeroBitCount - minimumSize.trailingZeroBitCount
    }
}
