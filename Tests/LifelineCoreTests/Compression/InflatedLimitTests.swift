import Testing

@testable import LifelineCore

/// The limits on frames and messages of RFC 6455 §10.4, on what compressed ones give.
@Suite("RFC 7692 §8: limits on inflated messages")
struct InflatedLimitTests {
    private func server(
        _ budget: CompressionBudget, message: Int, frame: Int? = nil, fragments: Int? = nil,
        delivery: Endpoint.Delivery = .messages
    ) -> EndpointHarness {
        .compressing(
            .server,
            configuration: .compressing(.server, budget).limited(
                message: message, frame: frame, fragments: fragments),
            delivery: delivery)
    }

    /// The frames of a message, cut at its wire bytes' quarters, halves, or not at all.
    private func framings(_ wire: [UInt8]) -> [[WireFrame]] {
        let half = wire.count / 2
        return [
            [.compressed(.binary, wire)],
            [
                .compressed(.binary, Array(wire[..<half]), isFinal: false),
                .continuation(Array(wire[half...]), isFinal: true),
            ],
            wire.count > 200
                ? [.compressed(.binary, wire, isFinal: false), .continuation([], isFinal: true)]
                : [.compressed(.binary, [], isFinal: false)] + wire.map { .continuation([$0], isFinal: false) }
                    + [.continuation([], isFinal: true)],
        ]
    }

    /// All chunks and messages that have been handed out.
    private func handedOut(_ harness: EndpointHarness) -> Int {
        harness.events.reduce(0) { sum, event in
            switch event {
            case .message(_, let payload), .chunk(_, let payload, _, _): sum + payload.count
            default: sum
            }
        }
    }

    @Test(
        "§8 a message at the limit is accepted; one byte more gives 1009, and no further byte is inflated",
        arguments: [0, 1, 2, 100, 1023, 1024, 1025, 65_535, 65_536, 65_537, 200_000],
        [Endpoint.Delivery.messages, .chunks])
    func messageLimit(_ limit: Int, delivery: Endpoint.Delivery) {
        withBudget { budget in
            // Noise is as long on the wire, and masking it takes its time without optimisation.
            for sample in limit < 2000 ? [DeflateSample.zeros, .random] : [.zeros] {
                for excess in [0, 1, 2, 5000] {
                    let content = sample.bytes(limit + excess)
                    for frames in framings(OracleCompressor.message(content, level: 9)) {
                        let server = server(budget, message: limit, frame: .max, delivery: delivery)
                        server.receive(frames.bytes(from: .client))
                        let inflated = server.endpoint.compression?.messageSize ?? 0
                        if excess == 0 {
                            server.expectOpen()
                            let isRight = server.events.withChunksJoined == [.message(.binary, content)]
                            #expect(isRight)
                        } else {
                            // What is longer on the wire than the limit needs is not looked into.
                            let wire = frames.reduce(0) { $0 + $1.payload.count }
                            #expect(inflated == limit + 1 || inflated <= limit && wire > needed(for: limit))
                            #expect(handedOut(server) <= limit)
                            #expect(server.violation?.description.contains("maximumMessageSize") == true)
                            server.expectFailed(with: 1009)
                        }
                    }
                }
            }
        }
    }

    @Test(
        "§8 the limit applies at the same byte when input arrives byte by byte",
        arguments: [Endpoint.Delivery.messages, .chunks],
        [0, 1, 2])
    func messageLimitByteByByte(delivery: Endpoint.Delivery, excess: Int) {
        withBudget { budget in
            let content = DeflateSample.json.bytes(1000 + excess)
            let bytes = WireFrame.compressed(.text, OracleCompressor.message(content)).bytes(from: .client)
            let server = server(budget, message: 1000, delivery: delivery)
            server.receiveByteByByte(bytes)
            if excess == 0 {
                #expect(server.events.withChunksJoined == [.message(.text, content)])
            } else {
                let inflated = server.endpoint.compression?.messageSize
                #expect(inflated == 1001)
                server.expectFailed(with: 1009)
            }
        }
    }

    @Test("§8 the limit applies per message, with and without context takeover", arguments: [true, false])
    func messagesCountAnew(takesOver: Bool) {
        withBudget { budget in
            let content = DeflateSample.json.bytes(1000)
            let compressor = OracleCompressor()
            let server = EndpointHarness.compressing(
                .server, PerMessageDeflate(clientNoContextTakeover: !takesOver),
                configuration: .compressing(.server, budget).limited(message: 1000))
            for _ in 0..<20 {
                server.receive(
                    .compressed(.text, takesOver ? compressor.message(content) : OracleCompressor.message(content)),
                    .text(content))
                #expect(server.takeEvents() == [.message(.text, content), .message(.text, content)])
            }
        }
    }

    @Test(
        "§8 a frame at the limit is accepted; one byte more gives 1009, in any frame",
        arguments: [Endpoint.Delivery.messages, .chunks],
        [[100], [100, 100, 100], [0, 100, 1], [101], [100, 101], [1, 0, 101], [150, 150]])
    func frameLimit(delivery: Endpoint.Delivery, sizes: [Int]) {
        withBudget { budget in
            // Each fragment ends where its content does, as one that is flushed does.
            let compressor = OracleCompressor()
            var frames: [WireFrame] = []
            for (index, size) in sizes.enumerated() {
                var wire = compressor.compress(DeflateSample.zeros.bytes(size))
                let isFinal = index == sizes.count - 1
                if isFinal { wire.removeLast(min(4, wire.count)) }
                frames.append(
                    index == 0
                        ? .compressed(.binary, wire, isFinal: isFinal) : .continuation(wire, isFinal: isFinal))
            }
            let server = server(budget, message: 1000, frame: 100, delivery: delivery)
            server.receive(frames.bytes(from: .client))
            if sizes.allSatisfy({ $0 <= 100 }) {
                let total = sizes.reduce(0, +)
                #expect(server.events.withChunksJoined == [.message(.binary, DeflateSample.zeros.bytes(total))])
            } else {
                let inflated = server.endpoint.compression?.frameSize
                #expect(inflated == 101)
                #expect(server.violation?.description.contains("maximumFrameSize") == true)
                server.expectFailed(with: 1009)
            }
        }
    }

    @Test("§8 output of the omitted tail counts towards the limit", arguments: [10, 11])
    func frameLimitInTail(limit: Int) {
        // Eight bits of the tail, all zero, can be literals of a code that has not ended; the end of the message then
        // lacks. Whatever comes first is the answer, and no more than one byte past the limit is inflated.
        var bits = DeflateBits()
        bits.beginFixed()
        for _ in 0..<10 { bits.fixed(.literal(0x61)) }
        withBudget { budget in
            let server = server(budget, message: 1000, frame: limit)
            server.receive(.compressed(.binary, bits.bytes))
            #expect([1007, 1009].contains(server.violation?.closeCode.rawValue))
            let inflated = server.endpoint.compression?.messageSize ?? 0
            #expect(inflated <= limit + 1)
        }
    }

    @Test(
        "§8 decompression bombs give 1009, and use no more memory than the limit",
        arguments: [1000, 1 << 20], [Endpoint.Delivery.messages, .chunks])
    func bombs(limit: Int, delivery: Endpoint.Delivery) {
        let wire = OracleCompressor.message(Array(repeating: 0x61, count: 50 << 20), level: 9)
        withBudget { budget in
            for size in [wire.count, 1000, 7] {
                let server = server(budget, message: limit, delivery: delivery)
                var start = 0
                while start < wire.count, server.phase == .open {
                    let end = min(start + size, wire.count)
                    let part = Array(wire[start..<end])
                    server.receive(
                        start == 0
                            ? .compressed(.text, part, isFinal: end == wire.count)
                            : .continuation(part, isFinal: end == wire.count))
                    let kept = server.endpoint.assembly.count
                    if kept > limit { Issue.record("\(kept) bytes kept") }
                    start = end
                }
                let inflated = server.endpoint.compression?.messageSize
                // A frame that is much longer than what it may give is not looked into.
                #expect(inflated == (size > needed(for: limit) ? 0 : limit + 1))
                let kept = server.endpoint.assembly.count
                #expect(kept == 0)
                server.expectFailed(with: 1009)
            }
        }
    }

    @Test(
        "§8 the close code does not depend on how the bytes are split",
        arguments: [(10, 1007), (999, 1007), (1000, 1009), (1001, 1009)] as [(Int, UInt16)])
    func badTextBeforeTheLimit(offset: Int, code: UInt16) {
        withBudget { budget in
            var content = Array(repeating: UInt8(0x61), count: 3000)
            content[offset] = 0xFF
            let bytes = WireFrame.compressed(.text, OracleCompressor.message(content)).bytes(from: .client)
            for isBytewise in [false, true] {
                let server = server(budget, message: 1000)
                if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
                server.expectFailed(with: code)
            }
        }
    }

    // MARK: On the wire

    /// The most bytes that so many need as DEFLATE, and some.
    private func needed(for size: Int) -> Int { size + size / 32 + size / 128 + size / 2048 + 1024 }

    @Test(
        "§8 a frame that announces more than an allowed message can need gives 1009 at its header, in any fragment",
        arguments: [0, 1, 1000, 1 << 20], [0, 1])
    func announced(limit: Int, excess: Int) {
        withBudget { budget in
            let first = WireFrame(
                opcode: 2, reserved: 4, payload: [], declaredLength: UInt64(needed(for: limit) + excess))
            let server = server(budget, message: 16 << 20, frame: limit)
            server.receive(first.masked().header)
            if excess == 0 { server.expectOpen() } else { server.expectFailed(with: 1009) }

            // Over a message, with sixteen bytes more for each fragment.
            let other = self.server(budget, message: limit, frame: 16 << 20)
            other.receive(.compressed(.binary, [0x00], isFinal: false))
            let rest = needed(for: limit) + 2 * 16 - 1 + excess
            other.receive(
                WireFrame(opcode: 0, payload: [], declaredLength: UInt64(rest)).masked().header)
            if excess == 0 { other.expectOpen() } else { other.expectFailed(with: 1009) }
        }
    }

    @Test(
        "§8 zlib's worst expansion of random data is within the announced limit",
        arguments: [(1, 1, 0), (9, 1, 0), (6, 9, 4), (0, 1, 0), (6, 1, 2)] as [(Int, Int, Int32)])
    func worstOfZlib(level: Int, memory: Int, strategy: Int32) {
        let content = DeflateSample.random.bytes(100_000)
        withBudget { budget in
            let compressor = OracleCompressor(level: level, memoryLevel: memory, strategy: strategy)
            var frames: [WireFrame] = []
            for start in stride(from: 0, to: content.count, by: 10_000) {
                var wire = compressor.compress(Array(content[start..<(start + 10_000)]))
                let isLast = start + 10_000 == content.count
                if isLast { wire.removeLast(4) }
                frames.append(
                    start == 0 ? .compressed(.binary, wire, isFinal: false) : .continuation(wire, isFinal: isLast))
            }
            let client = EndpointHarness.compressing(
                .client, configuration: .compressing(.client, budget).limited(message: content.count, frame: 10_000)
            )
            client.receive(frames.bytes(from: .server))
            let isRight = client.events == [.message(.binary, content)]
            #expect(isRight, "\(level), \(memory), \(strategy): \(String(describing: client.violation))")
        }
    }

    @Test(
        "§8 endless empty blocks give 1009, by their bytes on the wire",
        arguments: [true, false], [Endpoint.Delivery.messages, .chunks])
    func emptyBlocks(isOneFrame: Bool, delivery: Endpoint.Delivery) {
        var bits = DeflateBits()
        for _ in 0..<100 { bits.stored([]) }
        withBudget { budget in
            let server = server(budget, message: 10_000, fragments: 1000, delivery: delivery)
            var received = 0
            if isOneFrame {
                // Announced as long as one may be; then one byte longer.
                let longest = needed(for: 10_000)
                server.receive(
                    WireFrame(
                        opcode: 2, isFinal: false, reserved: 4, payload: [], declaredLength: UInt64(longest)
                    )
                    .masked(with: [0, 0, 0, 0]).header)
                while received + 500 <= longest {
                    server.receive(bits.bytes)
                    received += 500
                }
                server.expectOpen()
                let another = self.server(budget, message: 10_000, delivery: delivery)
                another.receive(
                    WireFrame(opcode: 2, reserved: 4, payload: [], declaredLength: UInt64(longest + 1))
                        .masked().header)
                another.expectFailed(with: 1009)
            } else {
                server.receive(.compressed(.binary, bits.bytes, isFinal: false))
                while server.phase == .open, received < 1_000_000 {
                    server.receive(.continuation(bits.bytes, isFinal: false))
                    received += 500
                }
                #expect(received < 50_000)
                server.expectFailed(with: 1009)
            }
        }
    }

    @Test("§8 too many empty fragments of a compressed message give 1008")
    func emptyFragments() {
        withBudget { budget in
            let server = server(budget, message: 1000, fragments: 10)
            server.receive(.compressed(.binary, [], isFinal: false))
            for _ in 1..<10 { server.receive(.continuation([], isFinal: false)) }
            server.expectOpen()
            server.receive(.continuation([], isFinal: false))
            server.expectFailed(with: 1008)
        }
    }

    @Test(
        "§8 an incompressible message at the limit is accepted",
        arguments: [1, 100, 5000])
    func longerOnTheWire(limit: Int) {
        withBudget { budget in
            let content = DeflateSample.random.bytes(limit)
            var bits = DeflateBits()
            for byte in content { bits.stored([byte]) }
            let wires = limit > 200 ? [OracleCompressor.message(content, level: 0)] : [bits.bytes + [0x00]]
            for wire in wires {
                #expect(wire.count > limit)
                let server = server(budget, message: limit)
                server.receive(.compressed(.binary, wire))
                #expect(server.events == [.message(.binary, content)])
            }
        }
    }

    @Test("§8 maximal limits do not overflow", arguments: [Endpoint.Delivery.messages, .chunks])
    func noLimits(delivery: Endpoint.Delivery) {
        withBudget { budget in
            let server = server(budget, message: .max, frame: .max, fragments: .max, delivery: delivery)
            let content = DeflateSample.zeros.bytes(300_000)
            for frames in framings(OracleCompressor.message(content)) {
                server.receive(frames.bytes(from: .client))
                #expect(server.takeEvents().withChunksJoined == [.message(.binary, content)])
            }
        }
    }
}
