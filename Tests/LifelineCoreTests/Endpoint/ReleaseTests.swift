import Testing

@testable import LifelineCore

@Suite("§7.1 resources are released when the connection ends")
struct ReleaseTests {
    private let json = DeflateSample.json.bytes(1000)

    /// The ways in which a WebSocket ends.
    private static let ends: [@Sendable (EndpointHarness) -> Void] = [
        { $0.receive(.close(1000)) }, { $0.receive(WireFrame(opcode: 3, payload: [])) },
        { $0.endpoint.abort("enough") }, { $0.receiveEnd() }, { $0.endpoint.transportFailed("reset", at: $0.now) },
        { _ in },
    ]

    @Test(
        "§7.1 the memory of the pool and the budget is returned at once; outcome and statistics remain",
        arguments: ends, [false, true])
    func release(end: @Sendable (EndpointHarness) -> Void, isIdle: Bool) throws {
        try withBudget { budget in
            // The loop's streams count until the loop ends.
            let memory = MemoryPool()
            func used() -> Int { budget.bytesInUse }
            do {
                let warm = EndpointHarness.compressing(
                    .server, configuration: .compressing(.server, budget), memory: memory)
                try warm.send(.text, json, compress: .always)
                warm.receive(.compressed(.text, OracleCompressor.message(json)))
            }
            let spare = (used(), memory.size)
            let server = EndpointHarness.compressing(
                .server, configuration: .compressing(.server, budget), memory: memory)
            try server.send(.text, json, compress: .always)
            server.receive(.compressed(.text, OracleCompressor.message(json)))
            if isIdle { server.advance(by: .seconds(10)) }
            server.receive(.binary(Array(repeating: 1, count: 200_000), isFinal: false))
            let statistics = server.endpoint.compressionStatistics
            end(server)
            server.endpoint.releaseResources(keepsPayload: false)
            #expect(used() == spare.0)
            #expect(memory.size >= spare.1)
            let kept = (server.endpoint.compressionMemory, server.endpoint.assembly.capacity)
            #expect(kept == (0, 0))
            let after = server.endpoint.compressionStatistics
            #expect(after == statistics && after.receivedBytes == 1000 && after.sentBytes == 1000)
            let agreement = server.endpoint.compressionAgreement
            #expect(agreement != nil && server.outcome != nil)

            // Nothing more is compressed, and no data received.
            let compressed = json.withUnsafeBytes { bytes in
                server.endpoint.compress(bytes, .only, .always, at: server.now)?.count
            }
            let forMany = json.withUnsafeBytes { server.endpoint.compressForMany($0)?.count }
            #expect(compressed == nil && forMany == nil)
            let events = server.events.count
            server.receive(.compressed(.text, OracleCompressor.message(json)), .text("late"))
            #expect(server.events.count == events)
            #expect(used() == spare.0)
            server.endpoint.releaseResources(keepsPayload: false)
            server.advance(by: .seconds(60))
            #expect(used() == spare.0 && server.phase == .closed)
        }
    }

    @Test(
        "§7.1 a payload in use stays valid until the next receive or release",
        arguments: [true, false])
    func payloadInUse(isByReceive: Bool) {
        withBudget { budget in
            let memory = MemoryPool()
            let server = EndpointHarness.compressing(
                .server, configuration: .compressing(.server, budget), memory: memory)
            var bytes = WireFrame.compressed(.text, OracleCompressor.message(json)).bytes(from: .client)
            bytes.withUnsafeMutableBytes { bytes in
                var input = ReadBuffer(bytes)
                guard case .message(_, let payload) = server.endpoint.receive(&input, at: server.now) else {
                    Issue.record("no message")
                    return
                }
                server.endpoint.abort("inside a handler")
                server.endpoint.releaseResources(keepsPayload: true)
                #expect(payload.elementsEqual(json))
                #expect(memory.size == 0 && server.endpoint.compressionMemory == 0)
            }
            if isByReceive { server.receive([]) } else { server.endpoint.releaseResources(keepsPayload: false) }
            #expect(memory.size == MemoryPool.minimumSize)
        }
    }

    @Test("Debug builds check each use of a pool against its loop")
    func confinement() throws {
        guard !TestScale.isOptimized else { return }
        try withBudget { budget in
            var asked = 0
            let memory = MemoryPool()
            let pair = CompressingPair(budget: budget, memory: memory)
            memory.confinement = {
                asked += 1
                return true
            }
            try pair.exchange(from: .client, .text, json)
            // A compressor, a decompressor and a block taken, and the block given back.
            let first = asked
            #expect(first >= 4)
            for role in [WebSocketRole.client, .server] { pair[role].endpoint.releaseResources(keepsPayload: false) }
            #expect(asked >= first + 2)
            memory.confinement = nil
        }
    }
}
