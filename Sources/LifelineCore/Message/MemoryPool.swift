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
    @exclusivity(unchecked) var compression = CompressionPool()

    /// A pool.
    ///
    /// - Parameter limit: The most bytes that are kept. Default: 16 MiB.
    public init(limit: Int = 16 << 20) {
        self.limit = limit
        spare = Array(repeating: [], count: MemoryPool.index(of: MemoryPool.maximumSize) + 1)
    }

    deinit {
        for blocks in spare {
            for block in blocks { block.deallocate() }
        }
    }

    /// A block of at least `minimum` bytes.
    func take(_ minimum: Int) -> (base: UnsafeMutableRawPointer, capacity: Int) {
        guard minimum <= MemoryPool.maximumSize else {
            return (.allocate(byteCount: minimum, alignment: 16), minimum)
        }
        let index = MemoryPool.index(of: minimum)
        let capacity = MemoryPool.minimumSize << index
        if let base = spare[index].popLast() {
            size -= capacity
            return (base, capacity)
        }
        return (.allocate(byteCount: capacity, alignment: 16), capacity)
    }

    /// Takes a block back.
    func give(_ base: UnsafeMutableRawPointer, capacity: Int) {
        let index = MemoryPool.index(of: capacity)
        guard capacity <= MemoryPool.maximumSize, MemoryPool.minimumSize << index == capacity, size + capacity <= limit
        else { return base.deallocate() }
        spare[index].append(base)
        size += capacity
    }

    /// The class of the smallest blocks that hold `size` bytes.
    private static func index(of size: Int) -> Int {
        guard size > minimumSize else { return 0 }
        return (size - 1).bitWidth - (size - 1).leadingZeroBitCount - minimumSize.trailingZeroBitCount
    }
}
