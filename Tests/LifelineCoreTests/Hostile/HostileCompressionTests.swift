import Testing

@testable import LifelineCore

/// Compressed frames from a client that keeps to no rule, and what becomes of it.
struct HostileCompressedFrames: Sendable, CustomTestStringConvertible {
    /// What the server makes of the frames.
    enum Result: Hashable, Sendable {
        /// A message of that many bytes.
        case message(Int)
        /// The end, with this code.
        case failure(UInt16)
    }

    /// What the server allows.
    static let limit = 10_000

    var testDescription: String
    var bytes: [UInt8]
    var agreement = PerMessageDeflate()
    var result: Result

    init(_ description: String, _ frames: [WireFrame], _ result: Result) {
        testDescription = description
        bytes = frames.bytes(from: .client)
        self.result = result
    }

    /// One frame with a message.
    init(_ description: String, wire: [UInt8], _ result: Result) {
        self.init(description, [.compressed(.binary, wire)], result)
    }

    /// One frame with a message that is written bit by bit.
    init(_ description: String, bits write: (inout DeflateBits) -> Void, _ result: Result) {
        var bits = DeflateBits()
        write(&bits)
        self.init(description, wire: bits.bytes, result)
    }

    /// A message that inflates a thousandfold.
    private static func bomb(_ size: Int) -> [UInt8] {
        OracleCompressor.message(Array(repeating: 0, count: size), level: 9)
    }

    /// A message in fragments of so many bytes on the wire.
    private static func split(_ wire: [UInt8], _ size: Int) -> [WireFrame] {
        stride(from: 0, to: wire.count, by: size).map { start in
            let end = min(start + size, wire.count)
            let part = Array(wire[start..<end])
            return start == 0
                ? .compressed(.binary, part, isFinal: end == wire.count)
                : .continuation(part, isFinal: end == wire.count)
        }
    }

    static let bombs: [HostileCompressedFrames] = [
        .init("just the limit", wire: bomb(limit), .message(limit)),
        .init("one byte more than the limit", wire: bomb(limit + 1), .failure(1009)),
        .init("two bytes more than the limit", wire: bomb(limit + 2), .failure(1009)),
        .init("a thousandfold", wire: bomb(16_000_000), .failure(1009)),
        .init("just the limit, a byte in each fragment", split(bomb(limit), 1), .message(limit)),
        .init("one byte more, a byte in each fragment", split(bomb(limit + 1), 1), .failure(1009)),
        .init("a thousandfold, in fragments", split(bomb(16_000_000), 1000), .failure(1009)),
        .init("a thousandfold, with no end", Array(split(bomb(16_000_000), 1000).dropLast()), .failure(1009)),
        .init(
            "a frame that announces what no frame may have",
            [
                WireFrame(opcode: 2, reserved: 4, payload: [], declaredLength: 1 << 40)
            ], .failure(1009)),
        .init(
            "fragments of nothing",
            [.compressed(.binary, [], isFinal: false)]
                + Array(repeating: .continuation([], isFinal: false), count: 16_384), .failure(1008)),
        .init(
            "blocks of nothing",
            split(Array(repeating: [0x00, 0x00, 0x00, 0xFF, 0xFF], count: 70_000).flatMap { $0 }, 5000)
                .map { frame in
                    var frame = frame
                    frame.isFinal = false
                    return frame
                }, .failure(1009)),
    ]

    private static let hello = Array("Hello".utf8)

    /// In fixed codes these fill whole bytes, so that no bit is left over for the header of another block.
    private static let wholeBytes = Array(repeating: UInt8(0xFF), count: 6)

    static let streams: [HostileCompressedFrames] = [
        .init("a block type that there is not", wire: [0x07], .failure(1007)),
        .init("a stored block whose lengths differ", wire: [0x00, 0x05, 0x00, 0x00, 0x00], .failure(1007)),
        .init("codes that there are not", wire: [0x04, 0xFF, 0xFF, 0xFF], .failure(1007)),
        .init(
            "a distance to before the beginning",
            bits: { bits in
                bits.beginFixed()
                bits.fixed(.threeBytes(distance: 1))
                bits.fixed(.endOfBlock)
                bits.endMessage()
            }, .failure(1007)),
        .init(
            "a block without an end",
            bits: { bits in
                bits.beginFixed()
                bits.fixed(.literal(0x61))
            }, .failure(1007)),
        .init("nothing where the tail belongs", bits: { $0.fixedBlock(wholeBytes) }, .failure(1007)),
        .init(
            "a stored block that is cut off, so that the tail completes it",
            wire: [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],
            .failure(1007)),
        .init(
            "a tail that was left in place",
            bits: { bits in
                bits.fixedBlock(hello)
                bits.stored([])
            }, .failure(1007)),
        .init(
            "something behind the end",
            bits: { bits in
                bits.fixedBlock(hello, isFinal: true)
                bits.append(0xFFFF, bits: 16)
            }, .failure(1007)),
        .init("BFINAL", bits: { $0.stored(hello, isFinal: true) }, .message(5)),
        .init(
            "BFINAL, and a block behind it",
            bits: { bits in
                bits.stored(hello, isFinal: true)
                bits.stored(hello)
                bits.endMessage()
            }, .message(10)),
        .init(
            "several blocks",
            bits: { bits in
                for _ in 0..<100 { bits.fixedBlock(hello) }
                bits.endMessage()
            }, .message(500)),
        .init(
            "stored blocks",
            bits: { bits in
                for _ in 0..<100 { bits.stored(hello) }
                bits.endMessage()
            }, .message(500)),
        .init("an empty message", wire: [0x00], .message(0)),
        .init("an empty message without a byte", wire: [], .message(0)),
        .init(
            "text that is no UTF-8", [.compressed(.text, OracleCompressor.message([0x61, 0xC0, 0xAF]))], .failure(1007)),
        .init(
            "RSV1 on a continuation",
            [
                .compressed(.binary, [], isFinal: false), WireFrame(opcode: 0, reserved: 4, payload: [0x00]),
            ], .failure(1002)),
        .init("RSV1 on a Ping", [WireFrame(opcode: 9, reserved: 4, payload: [])], .failure(1002)),
        .init("RSV2", [WireFrame(opcode: 2, reserved: 6, payload: [0x00])], .failure(1002)),
    ]
}

@Suite("Hostile input: compression")
struct HostileCompressionTests {
    private func server(_ budget: CompressionBudget, _ delivery: Endpoint.Delivery) -> EndpointHarness {
        .compressing(
            .server,
            configuration: .compressing(.server, budget).limited(message: HostileCompressedFrames.limit),
            delivery: delivery)
    }

    private func check(
        _ server: EndpointHarness, _ frames: HostileCompressedFrames, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        switch frames.result {
        case .message(let count):
            let sizes = server.events.withChunksJoined.map { event in
                if case .message(_, let payload) = event { payload.count } else { -1 }
            }
            #expect(sizes == [count], sourceLocation: sourceLocation)
            server.expectOpen(sourceLocation: sourceLocation)
        case .failure(let code):
            // Of a message that is too long nothing is handed out as if it were whole.
            #expect(server.events.withChunksJoined == [.closed], sourceLocation: sourceLocation)
            let inflated = server.endpoint.compression?.messageSize ?? 0
            #expect(inflated <= HostileCompressedFrames.limit + 1, sourceLocation: sourceLocation)
            server.expectFailed(with: code, sourceLocation: sourceLocation)
        }
    }

    @Test(
        "A decompression bomb at the limit is accepted, a larger one gives 1009, and no more than the limit is inflated",
        arguments: HostileCompressedFrames.bombs, [Endpoint.Delivery.messages, .chunks])
    func bombs(_ frames: HostileCompressedFrames, delivery: Endpoint.Delivery) {
        withBudget { budget in
            let server = server(budget, delivery)
            server.receive(frames.bytes)
            check(server, frames)
        }
    }

    @Test(
        "Hostile DEFLATE streams give the message, 1007 or 1002", arguments: HostileCompressedFrames.streams,
        [Endpoint.Delivery.messages, .chunks])
    func streams(_ frames: HostileCompressedFrames, delivery: Endpoint.Delivery) {
        withBudget { budget in
            let whole = server(budget, delivery)
            whole.receive(frames.bytes)
            check(whole, frames)
            let split = server(budget, delivery)
            split.receiveByteByByte(frames.bytes)
            check(split, frames)
        }
    }

    @Test("A window of 8 bits: sent data stays within 256 bytes, received data may use all")
    func smallestWindow() throws {
        try withBudget { budget in
            let agreement = PerMessageDeflate(serverMaxWindowBits: 8, clientMaxWindowBits: 8)
            let server = EndpointHarness.compressing(
                .server, agreement, configuration: .compressing(.server, budget))
            let oracle = OracleDecompressor(windowBits: 8)
            for sample in DeflateSample.allCases + DeflateSample.allCases {
                let content = sample.bytes(5000)
                try server.send(.binary, content, compress: .always)
                let frame = try #require(server.takeFrames().first)
                let isRight = try oracle.message(frame.payload) == content
                #expect(isRight)
            }
            var bits = DeflateBits()
            bits.stored(DeflateSample.random.bytes(256))
            bits.beginFixed()
            bits.fixed(.threeBytes(distance: 256))
            bits.fixed(.endOfBlock)
            bits.endMessage()
            server.receive(.compressed(.binary, bits.bytes))
            let random = DeflateSample.random.bytes(256)
            #expect(server.events == [.message(.binary, random + random[..<3])])
        }
    }

    @Test(
        "A reference beyond the agreed window gives the message or 1007, never foreign data",
        arguments: [513, 600, 1000, 30_000], [100, 600, 2000])
    func beyondTheWindow(distance: Int, before: Int) {
        withBudget { budget in
            let memory = MemoryPool()
            // Somebody else's bytes, in a decompressor that is used again.
            let other = EndpointHarness.compressing(
                .server, PerMessageDeflate(clientMaxWindowBits: 9), configuration: .compressing(.server, budget),
                memory: memory)
            other.receive(.compressed(.binary, OracleCompressor.message(Array(repeating: 0x73, count: 2000))))
            other.receiveEnd()
            var bits = DeflateBits()
            bits.stored(Array(repeating: 0x61, count: before))
            bits.beginFixed()
            bits.fixed(.threeBytes(distance: distance))
            bits.fixed(.endOfBlock)
            bits.endMessage()
            for isBytewise in [false, true] {
                let server = EndpointHarness.compressing(
                    .server, PerMessageDeflate(clientMaxWindowBits: 9),
                    configuration: .compressing(.server, budget), memory: memory)
                let bytes = WireFrame.compressed(.binary, bits.bytes).bytes(from: .client)
                if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
                if server.phase == .open {
                    #expect(distance <= before)
                    #expect(server.events == [.message(.binary, Array(repeating: 0x61, count: before + 3))])
                } else {
                    server.expectFailed(with: 1007)
                }
            }
        }
    }

    @Test("Random bytes as compressed messages give messages or a valid outcome")
    func randomBytes() {
        var generator = SplitMix64(seed: 7692)
        withBudget { budget in
            let memory = MemoryPool()
            for _ in 0..<TestScale.rounds(debug: 500, release: 100_000) {
                let server = EndpointHarness.compressing(
                    .server, PerMessageDeflate.all[generator.below(PerMessageDeflate.all.count)],
                    configuration: .compressing(.server, budget).limited(message: HostileCompressedFrames.limit),
                    delivery: generator.below(2) == 0 ? .messages : .chunks, memory: memory)
                // Text without structure soon fails; blocks that begin well get further.
                let first = [0x00, 0x02, 0x04, 0x4A, 0x63, 0xFF][generator.below(6)] as UInt8
                let wire = [first] + generator.bytes(generator.below(60))
                let bytes = WireFrame.compressed(.binary, wire).bytes(from: .client)
                server.receive(bytes, splitAt: [generator.below(bytes.count)])
                if server.phase != .open { server.expectFailed(with: server.violation?.closeCode.rawValue ?? 0) }
                let code = server.violation?.closeCode.rawValue
                #expect(code == nil || code == 1007 || code == 1009)
            }
        }
    }
}
