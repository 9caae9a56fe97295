import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§10.3 the pool of random bytes")
struct RandomPoolTests {
    @Test("The pool returns each of its generator's bytes once")
    func everyByteOnce() {
        var pool = RandomPool(seed: 9)
        var generator = SplitMix64(seed: 9)
        for _ in 0..<(RandomPool.capacity * 3 / 8) {
            let expected = generator.next()
            let (low, high) = (pool.nextUInt32(), pool.nextUInt32())
            // In memory's order, as the pool is filled.
            let isSame = withUnsafeBytes(of: expected) { bytes in
                bytes.load(as: UInt32.self) == low && bytes.load(fromByteOffset: 4, as: UInt32.self) == high
            }
            #expect(isSame)
        }
    }

    @Test("64-bit numbers may span two blocks")
    func acrossBlocks() {
        var pool = RandomPool(seed: 9)
        var other = RandomPool(seed: 9)
        _ = pool.nextUInt32()
        _ = other.nextUInt32()
        for _ in 0..<200 {
            let high = other.nextUInt32()
            let low = other.nextUInt32()
            #expect(pool.nextUInt64() == UInt64(high) << 32 | UInt64(low))
        }
    }

    @Test("The system's generator does not repeat numbers")
    func systemGenerator() {
        var pool = RandomPool()
        #expect(Set((0..<1000).map { _ in pool.nextUInt64() }).count == 1000)
    }

    @Test("Endpoints that share a pool get different keys")
    func sharedPool() throws {
        var pool = RandomPool(seed: 9)
        var keys: Set<String> = []
        for _ in 0..<100 {
            let handshake = try ClientHandshake(authority: "a", path: "/", random: &pool)
            let key = handshake.request.headerFields[.secWebSocketKey]
            keys.insert(key ?? "")
        }
        #expect(keys.count == 100)
    }
}
