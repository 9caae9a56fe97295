import Testing

@testable import LifelineCore

/// A message is compressed once, from an empty window, and sent on connections that know nothing of each other.
@Suite("RFC 7692 §7.1.1: messages that are compressed once for many")
struct CompressedForManyTests {
    private let update = DeflateSample.json.bytes(2000)

    /// Sends a message that was compressed elsewhere.
    private func sendPrepared(_ plain: [UInt8], _ wire: [UInt8], on harness: EndpointHarness) throws {
        plain.withUnsafeBytes { harness.endpoint.noteSentCompressed($0, wireSize: wire.count) }
        let header = try harness.endpoint.dataFrame(
            .text, payloadLength: wire.count, isCompressed: true, random: &harness.random)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: wire.count + 16, alignment: 1)
        defer { memory.deallocate() }
        let count = wire.withUnsafeBytes { header.write($0, to: memory.baseAddress.unsafelyUnwrapped) }
        harness.write(Array(memory[..<count]))
    }

    private func compressed(
        _ plain: [UInt8], by harness: EndpointHarness, _ choice: MessageCompression = .always
    ) -> [UInt8]? {
        plain.withUnsafeBytes { plain in
            guard harness.endpoint.compressesForMany(plain, choice) else { return nil }
            let wire = harness.endpoint.compressForMany(plain)?.withUnsafeBytes { Array($0) }
            return wire.flatMap { choice == .always || $0.count < plain.count ? $0 : nil }
        }
    }

    @Test(
        "A prepared message is valid under every agreement, between other messages, before and after idling",
        arguments: PerMessageDeflate.all, WebSocketRole.allCases)
    func everyAgreement(_ agreement: PerMessageDeflate, role: WebSocketRole) throws {
        try withBudget { budget in
            let memory = MemoryPool()
            let maker = CompressingPair(agreement, budget: budget, memory: memory)
            let pair = CompressingPair(agreement, budget: budget, memory: memory)
            #expect(maker[role].endpoint.compressorKind == pair[role].endpoint.compressorKind)
            let wire = try #require(compressed(update, by: maker[role]))
            var generator = SplitMix64(seed: 71)
            for round in 0..<40 {
                switch generator.below(4) {
                case 0, 1:
                    try sendPrepared(update, wire, on: pair[role])
                    pair[role.peer].receive(pair[role].takeOutput())
                    #expect(pair[role.peer].takeEvents() == [.message(.text, update)])
                case 2:
                    // What refers to the messages before, prepared ones among them.
                    let start = generator.below(1500)
                    try pair.exchange(from: role, .text, Array(update[start..<(start + 300)]))
                default:
                    if round.isMultiple(of: 2) {
                        pair.advance(by: .seconds(10))
                    } else {
                        try pair.send(from: role, .text, Array(update[..<100]), .first)
                        try pair.send(from: role, .text, Array(update[100..<200]), .last)
                        #expect(pair[role.peer].takeEvents() == [.message(.text, Array(update[..<200]))])
                    }
                }
            }
            let statistics = pair[role].endpoint.compressionStatistics
            let received = pair[role.peer].endpoint.compressionStatistics
            #expect(statistics.sentBytes == received.receivedBytes)
            #expect(statistics.sentWireBytes == received.receivedWireBytes)
        }
    }

    @Test("Later messages may refer to a prepared message if the window is kept")
    func windowMovesOn() throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            let first = Array("a first message, which makes the compressor".utf8)
            try pair.exchange(from: .server, .text, first)
            let wire = try #require(compressed(update, by: pair.server))
            try sendPrepared(update, wire, on: pair.server)
            try pair.server.send(.text, update, compress: .always)
            #expect(try #require(pair.server.takeFrames().last).payload.count < 30)
        }
    }

    @Test("A prepared message longer than the window replaces it", arguments: [8, 9, 12, 15])
    func longerThanTheWindow(bits: Int) throws {
        try withBudget { budget in
            let pair = CompressingPair(PerMessageDeflate(serverMaxWindowBits: bits), budget: budget)
            let long = DeflateSample.text.bytes(100_000)
            let wire = try #require(compressed(long, by: pair.server))
            for _ in 0..<3 {
                try pair.exchange(from: .server, .text, update)
                try sendPrepared(long, wire, on: pair.server)
                pair.client.receive(pair.server.takeOutput())
                let isRight = pair.client.takeEvents() == [.message(.text, long)]
                #expect(isRight)
                try pair.exchange(from: .server, .text, Array(long.prefix(600)))
            }
        }
    }

    @Test("A connection that sends only prepared messages holds no compressor")
    func noMemory() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            let pairs = (0..<20).map { _ in CompressingPair(budget: budget, memory: memory) }
            let wire = try #require(compressed(update, by: pairs[0].server))
            let spare = budget.bytesInUse
            for pair in pairs { try sendPrepared(update, wire, on: pair.server) }
            #expect(budget.bytesInUse == spare)
            #expect(pairs.allSatisfy { $0.server.deadline == nil })
        }
    }

    @Test("A prepared message is compressed if that makes it smaller, or with `.always`")
    func choice() throws {
        withBudget { budget in
            let pair = CompressingPair(budget: budget)
            #expect(compressed(update, by: pair.server, .automatic) != nil)
            #expect(compressed(update, by: pair.server, .never) == nil)
            #expect(compressed(Array("short".utf8), by: pair.server, .automatic) == nil)
            #expect(compressed(Array("short".utf8), by: pair.server, .always) != nil)
            #expect(compressed([], by: pair.server, .always) == [0x00])
            #expect(compressed(DeflateSample.random.bytes(900), by: pair.server, .automatic) == nil)
            #expect(compressed(DeflateSample.random.bytes(900), by: pair.server, .always) != nil)
        }
        let plain = EndpointHarness.open(.server)
        #expect(compressed(update, by: plain) == nil)
        let kind = plain.endpoint.compressorKind
        #expect(kind == nil)
        let budget = CompressionBudget(limit: 1)
        do {
            let pair = CompressingPair(budget: budget)
            try pair.exchange(from: .client, .text, update)
            #expect(compressed(update, by: pair.server) == nil)
        }
        #expect(budget.bytesInUse == 0)
    }
}
