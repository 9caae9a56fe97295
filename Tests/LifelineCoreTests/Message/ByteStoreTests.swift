import Testing

@testable import LifelineCore

@Suite("The store of bytes that wait for more")
struct ByteStoreTests {
    @Test("What is added is there, in order, whatever the sizes")
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

    @Test("Bytes that come one at a time are moved a few times only: the work is linear")
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

    @Test("What is removed from the front is gone, and the rest stays")
    func removeFirst() {
        for removed in 0...10 {
            var store = ByteStore()
            (0..<10).map { UInt8($0) }.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { store.append(base, count: 10) }
            }
            store.removeFirst(removed)
            #expect(Array(store.bytes) == (removed..<10).map { UInt8($0) })
        }
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
