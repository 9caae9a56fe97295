import Testing

@testable import LifelineCore

/// Streams of zlib's outlive the connections that used them, and whatever else there was: they own what they need.
@Suite("RFC 7692 §7: streams own their memory and their budget")
struct StreamOwnershipTests {
    private struct Weak {
        weak var budget: CompressionBudget?
    }

    private static let json = DeflateSample.json.bytes(500)

    /// A connection whose budget nobody else holds, come and gone.
    private func comeAndGo(_ memory: MemoryPool?, isReceiving: Bool) throws -> Weak {
        let budget = CompressionBudget(limit: 1 << 30)
        let server = EndpointHarness.compressing(.server, configuration: .compressing(.server, budget), memory: memory)
        if isReceiving {
            server.receive(.compressed(.text, OracleCompressor.message(Self.json)))
            #expect(server.takeEvents() == [.message(.text, Self.json)])
        } else {
            try server.send(.text, Self.json, compress: .always)
        }
        return Weak(budget: budget)
    }

    @Test(
        "An evicted stream releases its budget, even if many budgets share a pool",
        arguments: [true, false])
    func eviction(_ isReceiving: Bool) throws {
        let memory = MemoryPool()
        var budgets: [Weak] = []
        for _ in 0..<40 { budgets.append(try comeAndGo(memory, isReceiving: isReceiving)) }
        // What the pool has kept keeps its budget, and nothing else does.
        #expect(
            budgets.map { $0.budget != nil } == Array(repeating: false, count: 32) + Array(repeating: true, count: 8))
        for budget in budgets.suffix(8) { #expect((budget.budget?.bytesInUse ?? 0) > 0) }
    }

    @Test("Freeing a pool frees its streams and returns their budget", arguments: [true, false])
    func poolGoes(_ isReceiving: Bool) throws {
        try withBudget { budget in
            var memory: MemoryPool? = MemoryPool()
            let kept = try comeAndGo(memory, isReceiving: isReceiving)
            #expect(kept.budget != nil)
            memory = nil
            #expect(kept.budget == nil)
            #expect(try comeAndGo(nil, isReceiving: isReceiving).budget == nil)
        }
    }

    @Test("A stream that cannot be created leaks nothing")
    func notMade() {
        var budget: CompressionBudget? = CompressionBudget(limit: 1 << 30)
        let kept = Weak(budget: budget)
        if let budget {
            #expect(DeflateStream(CompressorKind(windowBits: 15, level: 99, memoryLevel: 8), budget: budget) == nil)
            #expect(InflateStream(99, budget: budget) == nil)
            #expect(budget.bytesInUse == 0)
        }
        budget = nil
        #expect(kept.budget == nil)
    }
}
