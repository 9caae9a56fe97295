import Testing

@testable import LifelineCore

@Suite("ByteStore")
struct ByteStoreTests {
    @Test("Appended bytes keep their order")
    func append() {
        var generator = SplitMix64(seed: 3)
        var store = ByteStore()
        var expected: [UInt8] = []
        for _ in 0..<200 {
            let piece = generator.bytes(generator.below(300))
            piece.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { store.append(base, count: bytes.count) }
            }
            expected += piece
        }
        #expect(store.count == expected.count)
        #expect(store.bytes.elementsEqual(expected))
    }

    @Test("Appending byte by byte takes linear work")
    func growth() {
        var store = ByteStore()
        var moves = 0
        for byte in 0..<100_000 {
            let before = store.bytes.baseAddress
            withUnsafeBytes(of: UInt8(truncatingIfNeeded: byte)) { bytes in
                if let base = bytes.baseAddress { store.append(base, count: 1) }
            }
            if store.bytes.baseAddress != before { moves += 1 }
        }
        #expect(store.count == 100_000)
        #expect(moves < 20)
    }

    @Test("Large blocks are reused, up to the pool's limit")
    func pooling() {
        let pool = MemoryPool(limit: 1 << 20)
        let piece = [UInt8](repeating: 7, count: 60_000)
        func fill(_ count: Int) -> UnsafeMutableRawPointer? {
            var store = ByteStore(pool: pool)
            for _ in 0..<count { piece.withUnsafeBytes { store.append($0.baseAddress!, count: $0.count) } }
            #expect(store.count == count * piece.count)
            #expect(store.bytes.allSatisfy { $0 == 7 })
            return store.bytes.baseAddress
        }
        let first = fill(4)
        #expect(pool.size > 0 && pool.size <= 1 << 20)
        #expect(fill(4) == first)
        _ = fill(100)
        #expect(pool.size <= 1 << 20)
    }

    @Test("A block's size is a power of two, at least the requested size", arguments: [1, 65_536, 65_537, 1 << 20])
    func blocks(size: Int) {
        let pool = MemoryPool()
        let (base, capacity) = pool.take(size)
        #expect(capacity >= size && capacity < max(2 * size, 2 * 65_536) && capacity.nonzeroBitCount == 1)
        pool.give(base, capacity: capacity)
        #expect(pool.size == capacity)
    }

    @Test("A block above the largest class is allocated by the system and freed at once")
    func hugeBlock() {
        let pool = MemoryPool()
        let (base, capacity) = pool.take(MemoryPool.maximumSize + 1)
        #expect(capacity == MemoryPool.maximumSize + 1)
        pool.give(base, capacity: capacity)
        #expect(pool.size == 0)
    }

    @Test("An empty store has no memory")
    func removeAll() {
        var store = ByteStore()
        let isUnallocated = store.bytes.baseAddress == nil
        #expect(isUnallocated)
        [1, 2, 3].withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { store.append(base, count: 3) }
        }
        store.removeAll()
        let isFreed = store.bytes.baseAddress == nil && store.count == 0
        #expect(isFreed)
    }
}
