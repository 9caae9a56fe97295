import CZlib
import Testing

@testable import LifelineCore

/// A compressed message as no compressor of ours writes it, and what it says.
struct WireMessage: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var wire: [UInt8]
    var content: [UInt8]

    init(_ description: String, _ content: [UInt8] = [], _ write: (inout DeflateBits) -> Void) {
        var bits = DeflateBits()
        write(&bits)
        testDescription = description
        wire = bits.bytes
        self.content = content
    }

    private static let abc = Array("abc".utf8)
    private static let long = DeflateSample.json.bytes(700)

    static let all: [WireMessage] = [
        .init("a stored block", abc) {
            $0.stored(abc)
            $0.endMessage()
        },
        .init("several stored blocks", abc + abc + long) { bits in
            for content in [abc, abc, long] { bits.stored(content) }
            bits.endMessage()
        },
        .init("stored blocks of no bytes", abc) { bits in
            for content in [[], [], abc, [], []] { bits.stored(content) }
            bits.endMessage()
        },
        .init("fixed codes", long) {
            $0.fixedBlock(long)
            $0.endMessage()
        },
        .init("blocks of both kinds", abc + long + abc) { bits in
            bits.fixedBlock(abc)
            bits.stored(long)
            bits.fixedBlock([])
            bits.fixedBlock(abc)
            bits.endMessage()
        },
        .init("nothing but the header of an empty block") { $0.endMessage() },
        .init("no byte at all") { _ in },
        .init("an empty block with fixed codes") {
            $0.fixedBlock([])
            $0.endMessage()
        },
        .init("BFINAL on the only block, and a last one behind it", abc) { bits in
            bits.fixedBlock(abc, isFinal: true)
            bits.endOfByte()
            bits.endMessage()
        },
        .init("BFINAL on the only block, and nothing behind it", abc) { $0.fixedBlock(abc, isFinal: true) },
        .init("BFINAL on a stored block, and nothing behind it", abc) { $0.stored(abc, isFinal: true) },
        .init("BFINAL on the first of several blocks", abc + long) { bits in
            bits.stored(abc, isFinal: true)
            bits.fixedBlock(long)
            bits.endMessage()
        },
        .init("BFINAL on a block in the middle", abc + long + abc) { bits in
            bits.fixedBlock(abc)
            bits.stored(long, isFinal: true)
            bits.fixedBlock(abc)
            bits.endMessage()
        },
        .init("BFINAL on each block", abc + long + abc) { bits in
            bits.fixedBlock(abc, isFinal: true)
            bits.endOfByte()
            bits.stored(long, isFinal: true)
            bits.fixedBlock(abc, isFinal: true)
        },
        .init("BFINAL on the empty block that the tail belongs to", abc) { bits in
            bits.stored(abc)
            bits.endMessage(isFinal: true)
        },
        .init("BFINAL on nothing but the empty block that the tail belongs to") { $0.endMessage(isFinal: true) },
        .init("a block that refers to one before it that has BFINAL", abc + abc) { bits in
            bits.stored(abc, isFinal: true)
            bits.beginFixed()
            bits.fixed(.threeBytes(distance: 3))
            bits.fixed(.endOfBlock)
            bits.endMessage()
        },
        .init("a full flush in the middle", abc) { bits in
            bits.fixedBlock(Array(abc[..<1]))
            bits.stored([])
            bits.fixedBlock(Array(abc[1...]))
            bits.stored([])
            bits.endMessage()
        },
    ]
}

extension DeflateBits {
    /// Begins a new byte, as DEFLATE does behind a block with BFINAL.
    fileprivate mutating func endOfByte() {
        while isInsideByte { append(0, bits: 1) }
    }
}

@Suite("RFC 7692 §7.2.2: decompression")
struct DecompressionTests {
    /// A server that agrees on everything.
    private func server(
        _ budget: CompressionBudget, delivery: Endpoint.Delivery = .messages, limit: Int = 1 << 20
    ) -> EndpointHarness {
        .compressing(
            .server, configuration: .compressing(.server, budget).limited(message: limit), delivery: delivery)
    }

    /// The message in one frame, in a frame for each byte, and in frames of which every other one is empty.
    private func framings(_ wire: [UInt8]) -> [[WireFrame]] {
        let single = wire.enumerated().map { index, byte in
            index == 0
                ? WireFrame.compressed(.text, [byte], isFinal: wire.count == 1)
                : .continuation([byte], isFinal: index == wire.count - 1)
        }
        let withEmpty =
            [WireFrame.compressed(.text, [], isFinal: false)]
            + wire.flatMap { [WireFrame.continuation([$0], isFinal: false), .continuation([], isFinal: false)] }
            + [.continuation([], isFinal: true)]
        return [[.compressed(.text, wire)], single, withEmpty].filter { !$0.isEmpty }
    }

    @Test(
        "§7.2.2 messages of any DEFLATE blocks are decompressed, however they are framed and split",
        arguments: WireMessage.all,
        [Endpoint.Delivery.messages, .chunks])
    func blocks(_ message: WireMessage, delivery: Endpoint.Delivery) {
        let before = Array("something before".utf8)
        let compressor = OracleCompressor()
        let wireBefore = compressor.message(before)
        withBudget { budget in
            for frames in framings(message.wire) {
                let bytes = ([WireFrame.compressed(.text, wireBefore)] + frames + frames).bytes(from: .client)
                let expected: [RecordedEvent] = [before, message.content, message.content].map {
                    .message(.text, $0)
                }
                for isBytewise in [false, true] {
                    let server = server(budget, delivery: delivery)
                    if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
                    #expect(server.events.withChunksJoined == expected)
                }
            }
        }
    }

    @Test(
        "§7.2.2 messages of every zlib strategy and level are decompressed",
        arguments: [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED], 0...9)
    func strategies(_ strategy: Int32, level: Int) {
        withBudget { budget in
            let server = server(budget)
            let compressor = OracleCompressor(level: level, strategy: strategy)
            for sample in DeflateSample.allCases {
                let content = sample.bytes(3000)
                server.receive(.compressed(.binary, compressor.message(content)))
                #expect(server.takeEvents() == [.message(.binary, content)])
            }
        }
    }

    @Test(
        "§7.2.2 input may be split at any offset", arguments: WebSocketRole.allCases,
        [Endpoint.Delivery.messages, .chunks])
    func everyOffset(role: WebSocketRole, delivery: Endpoint.Delivery) {
        let compressor = OracleCompressor()
        let texts = [DeflateSample.text.bytes(300), DeflateSample.json.bytes(90), [], DeflateSample.text.bytes(200)]
        var frames = texts.map { WireFrame.compressed(.text, compressor.message($0)) }
        frames.insert(.ping("between"), at: 2)
        let bytes = frames.bytes(from: role.peer)
        withBudget { budget in
            for split in 0...bytes.count {
                let harness = EndpointHarness.compressing(
                    role, configuration: .compressing(role, budget), delivery: delivery)
                harness.receive(bytes, splitAt: [split])
                let messages = harness.events.withChunksJoined.filter { $0 != .ping("between") }
                if messages != texts.map({ .message(.text, $0) }) { Issue.record("\(role) split at \(split)") }
            }
        }
    }

    @Test("§7.2.2 input may arrive in random chunks and fragments")
    func randomPieces() {
        var generator = SplitMix64(seed: 7692)
        withBudget { budget in
            for round in 0..<TestScale.rounds(debug: 60, release: 5000) {
                let role = generator.below(2) == 0 ? WebSocketRole.client : .server
                let compressor = OracleCompressor(level: generator.below(10))
                var frames: [WireFrame] = []
                var expected: [RecordedEvent] = []
                for _ in 0..<4 {
                    let sample = DeflateSample.allCases[generator.below(4)]
                    let content = sample.bytes(1 + generator.below(5000))
                    let wire = compressor.message(content)
                    let kind = sample.isText ? MessageKind.text : .binary
                    let cuts = [0] + (0..<generator.below(4)).map { _ in generator.below(wire.count + 1) }.sorted()
                    for (index, start) in cuts.enumerated() {
                        let isLast = index == cuts.count - 1
                        let part = Array(wire[start..<(isLast ? wire.count : cuts[index + 1])])
                        frames.append(
                            index == 0
                                ? .compressed(kind, part, isFinal: isLast) : .continuation(part, isFinal: isLast))
                    }
                    expected.append(.message(kind, content))
                }
                let bytes = frames.bytes(from: role.peer)
                let harness = EndpointHarness.compressing(
                    role, configuration: .compressing(role, budget),
                    delivery: generator.below(2) == 0 ? .messages : .chunks)
                harness.receive(
                    bytes, splitAt: (0..<generator.below(30)).map { _ in generator.below(bytes.count + 1) }.sorted())
                if harness.events.withChunksJoined != expected { Issue.record("round \(round)") }
            }
        }
    }

    // MARK: Chunks

    @Test("§7.2.2 the chunks of a highly compressed message are bounded and not empty")
    func chunkSizes() {
        let content = DeflateSample.zeros.bytes(1 << 20)
        let bytes = WireFrame.compressed(.binary, OracleCompressor.message(content, level: 9)).bytes(from: .client)
        withBudget { budget in
            for cuts in [[], Array(1..<bytes.count)] {
                let server = server(budget, delivery: .chunks)
                server.receive(bytes, splitAt: cuts)
                let sizes = server.events.map { event in
                    if case .chunk(_, let payload, _, _) = event { payload.count } else { -1 }
                }
                #expect(sizes.allSatisfy { (0...(64 << 10)).contains($0) } && sizes.dropLast().allSatisfy { $0 > 0 })
                #expect(server.events.withChunksJoined == [.message(.binary, content)])
            }
        }
    }

    @Test(
        "§7.2.2 output may end exactly at the end of a chunk, a frame or a message",
        arguments: [1, 2].flatMap { times in (-1...1).map { times * (64 << 10) + $0 } }, [DeflateSample.zeros, .random])
    func chunkBoundaries(count: Int, sample: DeflateSample) {
        withBudget { budget in
            let content = sample.bytes(count)
            // As compressors end messages, and with a final block that ends on the content's last byte.
            let stored = DeflateBits(storing: content)
            for wire in [OracleCompressor.message(content), stored.bytes] {
                for frames in [
                    [WireFrame.compressed(.binary, wire)],
                    [.compressed(.binary, wire, isFinal: false), .continuation([], isFinal: true)],
                    [
                        .compressed(.binary, Array(wire.dropLast()), isFinal: false),
                        .continuation(wire.suffix(1), isFinal: true),
                    ],
                ] {
                    // A client: to mask so much takes its time without optimisation.
                    let client = EndpointHarness.compressing(
                        .client, configuration: .compressing(.client, budget), delivery: .chunks)
                    client.receive(frames.bytes(from: .server) + WireFrame.text("next").bytes)
                    let joined = client.events.withChunksJoined
                    if joined != [.message(.binary, content), .text("next")] {
                        Issue.record("\(count): \(client.events.map(\.summary))")
                    }
                }
            }
        }
    }

    @Test(
        "§7.2.2 delivery may change inside a compressed message",
        arguments: [(Endpoint.Delivery.messages, Endpoint.Delivery.chunks), (.chunks, .messages)])
    func deliveryChanges(first: Endpoint.Delivery, then: Endpoint.Delivery) {
        let content = DeflateSample.zeros.bytes(100_000)
        let wire = OracleCompressor.message(content, level: 9)
        let half = wire.count / 2
        let tails: [[WireFrame]] = [
            [.continuation(Array(wire[half...]), isFinal: true)],
            [.continuation([], isFinal: false), .continuation(Array(wire[half...]), isFinal: true)],
            [.continuation(Array(wire[half...]), isFinal: false), .continuation([], isFinal: true)],
        ]
        withBudget { budget in
            for tail in tails {
                for isBytewise in [false, true] {
                    for beginning in [half, wire.count] {
                        let server = server(budget, delivery: first)
                        server.receive(.compressed(.binary, Array(wire[..<beginning]), isFinal: false))
                        server.endpoint.delivery = then
                        let rest =
                            beginning == half
                            ? tail
                            : [.continuation([], isFinal: false), .continuation([], isFinal: true)]
                        let bytes = rest.bytes(from: .client)
                        if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
                        server.expectOpen()
                        if server.events.withChunksJoined != [.message(.binary, content)] {
                            Issue.record("\(first): \(server.events.map(\.summary))")
                        }
                    }
                }
            }
        }
    }

    // MARK: Text

    @Test("RFC 6455 §8.1: inflated text that is not UTF-8 is answered with 1007 before the message ends")
    func textFailsFast() {
        withBudget { budget in
            for (kind, bytes) in UTF8Samples.invalid {
                for padding in [0, 1, 63, 70_000] {
                    let content = Array(repeating: 0x61, count: padding) + bytes + Array("aaaa".utf8)
                    let wire = OracleCompressor.message(content)
                    for delivery in [Endpoint.Delivery.messages, .chunks] where padding < 100 || delivery == .chunks {
                        // The end of the message is not sent.
                        let server = server(budget, delivery: delivery)
                        server.receive(.compressed(.text, wire, isFinal: false))
                        if server.violation?.closeCode != .invalidFramePayloadData {
                            Issue.record("\(kind), behind \(padding): \(server.events.map(\.summary))")
                        }
                        server.expectFailed(with: 1007)
                    }
                }
                let binary = self.server(budget)
                binary.receive(.compressed(.binary, OracleCompressor.message(bytes)))
                #expect(binary.events == [.message(.binary, bytes)])
            }
        }
    }

    @Test("RFC 6455 §8.1: characters may be split across blocks and frames, but must be complete at the end")
    func cutCharacters() {
        withBudget { budget in
            let text = Array("κόσμε €😀".utf8)
            for cut in 0...text.count {
                var bits = DeflateBits()
                bits.stored(Array(text[..<cut]))
                let first = bits.bytes
                bits = DeflateBits()
                bits.fixedBlock(Array(text[cut...]))
                bits.endMessage()
                let server = server(budget)
                server.receive(
                    .compressed(.text, first, isFinal: false), .ping(), .continuation(bits.bytes, isFinal: true))
                #expect(server.events == [.ping(""), .message(.text, text)])

                let isWhole = cut == text.count || text[cut] & 0xC0 != 0x80
                let ended = self.server(budget)
                ended.receive(.compressed(.text, first + [0x00]))
                if isWhole { ended.expectOpen() } else { ended.expectFailed(with: 1007) }
            }
        }
    }

    // MARK: What is no message

    @Test(
        "§7.2.2 a truncated message gives 1007, never a shorter message",
        arguments: [DeflateSample.text.bytes(200), DeflateSample.random.bytes(200), Array("a".utf8)], [0, 1, 9])
    func truncated(content: [UInt8], level: Int) {
        withBudget { budget in
            let wire = OracleCompressor.message(content, level: level)
            // Without any byte it is an empty message, and so is the first byte of a stored block.
            for count in (wire[0] == 0 ? 2 : 1)..<wire.count {
                for delivery in [Endpoint.Delivery.messages, .chunks] {
                    let server = server(budget, delivery: delivery)
                    server.receive(.compressed(.binary, Array(wire.prefix(count))))
                    if server.violation?.closeCode != .invalidFramePayloadData {
                        Issue.record("\(count) of \(wire.count): \(server.events.map(\.summary))")
                    }
                    let wholes = server.events.withChunksJoined.filter { $0 != .closed }
                    #expect(wholes.isEmpty)
                }
            }
        }
    }

    private static let garbage: [[UInt8]] = [
        [0xFF], [0x06], [0x01, 0x02], [0x00, 0x00, 0xFF], [0x00, 0x00, 0xFF, 0xFF], [0x61], [0xDE, 0xAD],
        // Behind a tail that was left in place, another one.
        [0x00, 0x00, 0xFF, 0xFF, 0x07],
    ]

    @Test(
        "§7.2.2 bytes after the final block give 1007, unless they form a block", arguments: garbage,
        [false, true])
    func trailingGarbage(garbage: [UInt8], isBytewise: Bool) {
        let wire = OracleCompressor.message(Array("Hello".utf8))
        withBudget { budget in
            let server = server(budget)
            let bytes = WireFrame.compressed(.text, wire + garbage).bytes(from: .client)
            if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
            server.expectFailed(with: 1007)
        }
    }

    @Test("§7.2.2 a tail that the sender did not remove is a block, and another block's header may follow it")
    func tailLeftInPlace() {
        withBudget { budget in
            let server = server(budget)
            let wire = OracleCompressor.message(Array("Hello".utf8))
            server.receive(.compressed(.text, wire + [0x00, 0x00, 0xFF, 0xFF, 0x00]))
            #expect(server.events == [.text("Hello")])
        }
    }

    @Test("§7.2.2 corrupted bits give a message or 1007, however the bytes are split")
    func flippedBits() {
        let contents: [(MessageKind, [UInt8])] = [
            (.text, DeflateSample.text.bytes(150)), (.binary, DeflateSample.random.bytes(30)),
        ]
        withBudget { budget in
            for (kind, content) in contents {
                let wire = OracleCompressor.message(content)
                for bit in 0..<(8 * wire.count) {
                    var changed = wire
                    changed[bit / 8] ^= 1 << UInt8(bit % 8)
                    let bytes = WireFrame.compressed(kind, changed).bytes(from: .client)
                    let whole = server(budget, limit: 100_000)
                    whole.receive(bytes)
                    let chunked = server(budget, delivery: .chunks, limit: 100_000)
                    // In the midst of what was changed, and here and there.
                    chunked.receive(bytes, splitAt: [4, bit / 8 + 6, bit / 8 + 7, wire.count + 5].sorted())
                    let isSound =
                        whole.phase == .open
                        ? whole.events.count == 1
                        : [1007, 1009].contains(whole.violation?.closeCode.rawValue) && whole.events == [.closed]
                    let isSame =
                        chunked.violation == whole.violation
                        && chunked.events.withChunksJoined == whole.events.withChunksJoined
                    if !isSound || !isSame {
                        Issue.record("bit \(bit): \(whole.events.map(\.summary)) \(chunked.events.map(\.summary))")
                    }
                }
            }
        }
    }

    @Test(
        "§7.1.2 a reference before the start of the window gives 1007",
        arguments: [(0, 1), (0, 32_768), (3, 4), (100, 101), (1000, 20_000)])
    func distanceTooFar(before: Int, distance: Int) {
        withBudget { budget in
            var bits = DeflateBits()
            if before > 0 { bits.stored(DeflateSample.random.bytes(before)) }
            bits.beginFixed()
            bits.fixed(.threeBytes(distance: distance))
            bits.fixed(.endOfBlock)
            bits.endMessage()
            let server = server(budget)
            server.receive(.compressed(.binary, bits.bytes))
            #expect(server.violation?.description.contains("too far back") == true)
            server.expectFailed(with: 1007)
        }
    }

    @Test(
        "§7.1.2 a reference into an earlier message needs context takeover",
        arguments: WebSocketRole.allCases, [true, false])
    func referenceAcrossMessages(role: WebSocketRole, takesOver: Bool) {
        var second = DeflateBits()
        second.beginFixed()
        second.fixed(.threeBytes(distance: 3))
        second.fixed(.endOfBlock)
        second.endMessage()
        var first = DeflateBits()
        first.stored(Array("abc".utf8))
        first.endMessage()
        withBudget { budget in
            let agreement = PerMessageDeflate(
                serverNoContextTakeover: role == .client && !takesOver,
                clientNoContextTakeover: role == .server && !takesOver)
            let harness = EndpointHarness.compressing(
                role, agreement, configuration: .compressing(role, budget))
            harness.receive(.compressed(.text, first.bytes), .text("plain"), .compressed(.text, second.bytes))
            #expect(harness.takeEvents() == [.text("abc"), .text("plain"), takesOver ? .text("abc") : .closed])
            if !takesOver { #expect(harness.violation?.closeCode == .invalidFramePayloadData) }
        }
    }

    @Test("§7.1.2 references may reach back over the whole window", arguments: 8...15)
    func wholeWindow(bits: Int) {
        withBudget { budget in
            let window = 1 << bits
            let content = DeflateSample.random.bytes(window)
            var first = DeflateBits()
            first.stored(content)
            first.endMessage()
            var second = DeflateBits()
            second.beginFixed()
            // Each three bytes that the window holds longest, one after another.
            for _ in 0..<5 { second.fixed(.threeBytes(distance: window)) }
            second.fixed(.endOfBlock)
            second.endMessage()
            let harness = EndpointHarness.compressing(
                .server, PerMessageDeflate(clientMaxWindowBits: bits),
                configuration: .compressing(.server, budget))
            harness.receive(.compressed(.binary, first.bytes), .compressed(.binary, second.bytes))
            #expect(harness.events == [.message(.binary, content), .message(.binary, Array(content[..<15]))])
        }
    }
}
