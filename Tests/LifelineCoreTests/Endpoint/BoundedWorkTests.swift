import Testing

@testable import LifelineCore

/// One call does a bounded amount of work, and what it has not done is done by the next.
@Suite("Each call does a bounded amount of work")
struct BoundedWorkTests {
    private static let most = 64 << 10

    private static let sizesNearTheEndOfACall = [1, 2].flatMap { times in (-2...2).map { times * most + $0 } }

    private func client(_ budget: CompressionBudget, delivery: Endpoint.Delivery = .messages) -> EndpointHarness {
        .compressing(.client, configuration: .compressing(.client, budget), delivery: delivery)
    }

    @Test(
        "RFC 7692 §7.2.2 one call inflates at most 64 KiB",
        arguments: [1, most - 1, most, most + 1, 1 << 20, (1 << 20) + 1])
    func bomb(size: Int) {
        withBudget { budget in
            let content = DeflateSample.zeros.bytes(size)
            let bytes = WireFrame.compressed(.binary, OracleCompressor.message(content, level: 9)).bytes
            var reader = MeteredReader(EndpointConfiguration.compressing(.client, budget))
            reader.receive(bytes + bytes + WireFrame.text("next").bytes)
            reader.check(
                [.binary(content), .binary(content), .text("next")], "\(size)")
            #expect(
                (size / Self.most * 2 - 1...(size / Self.most + 1) * 2).contains(reader.turns) || size < Self.most)
        }
    }

    @Test(
        "RFC 7692 §7.2.2 messages that end near a call's bound are complete, and so are those after them",
        arguments: sizesNearTheEndOfACall, [DeflateSample.zeros, .random])
    func boundaries(count: Int, sample: DeflateSample) {
        withBudget { budget in
            let content = sample.bytes(count)
            let stored = DeflateBits(storing: content)
            for wire in [OracleCompressor.message(content), stored.bytes] {
                let half = wire.count / 2
                for frames in [
                    [WireFrame.compressed(.binary, wire)],
                    [.compressed(.binary, wire, isFinal: false), .continuation([], isFinal: true)],
                    [
                        .compressed(.binary, Array(wire.dropLast()), isFinal: false),
                        .continuation(wire.suffix(1), isFinal: true),
                    ],
                    [
                        .compressed(.binary, Array(wire[..<half]), isFinal: false),
                        .continuation([], isFinal: false),
                        .continuation(Array(wire[half...]), isFinal: true),
                    ],
                ] {
                    let client = client(budget)
                    client.receive(frames.bytes(from: .server) + WireFrame.text("next").bytes)
                    if client.events != [.message(.binary, content), .text("next")] {
                        Issue.record("\(count): \(client.events.map(\.summary))")
                    }
                }
            }
        }
    }

    @Test(
        "RFC 7692 §7.2.2 the events do not depend on how the bytes are split, even if a call's bound falls on a last byte"
    )
    func splits() {
        withBudget { budget in
            let content = DeflateSample.zeros.bytes(200_000)
            let bytes = WireFrame.compressed(.binary, OracleCompressor.message(content, level: 9)).bytes
            for split in 0...bytes.count {
                let client = client(budget)
                client.receive(bytes, splitAt: [split])
                if client.events != [.binary(content)] { Issue.record("split at \(split)") }
            }
            for piece in 60...70 {
                var reader = MeteredReader(EndpointConfiguration.compressing(.client, budget))
                reader.receive(bytes, piece: piece)
                reader.check([.binary(content)], "\(piece) at a time")
            }
        }
    }

    @Test(
        "§5.4 one call reads 256 frames without an event, and the next calls read the rest", arguments: [true, false],
        [1, 254, 255, 256, 257, 1000])
    func emptyFragments(_ isCompressed: Bool, count: Int) {
        withBudget { budget in
            var frames = Array(repeating: WireFrame.continuation([], isFinal: false), count: count)
            frames[0] = isCompressed ? .compressed(.text, [], isFinal: false) : .text("", isFinal: false)
            let client = client(budget)
            client.receive(frames.bytes(from: .server))
            // What is left is never nothing.
            #expect(client.turns == (count - 1) / 256 && client.events.isEmpty)
            client.receive(.ping("p"), .continuation([], isFinal: true))
            #expect(client.events == [.ping("p"), .text("")])
        }
    }

    @Test("§5.4 one call reads at most 256 frames without an event")
    func tinyFragments() {
        let client = EndpointHarness.open(.client)
        let frames =
            [WireFrame.text("a", isFinal: false)] + Array(repeating: .continuation("b", isFinal: false), count: 9999)
        client.receive(frames.bytes(from: .server) + WireFrame.continuation("c", isFinal: true).bytes)
        #expect(client.events == [.text("a" + String(repeating: "b", count: 9999) + "c")])
        #expect(client.turns == 10_000 / 256)
    }

    @Test(
        "RFC 7692 §7.2.3.4 one call reads at most 256 empty final blocks",
        arguments: [Endpoint.Delivery.messages, .chunks])
    func finalBlocks(delivery: Endpoint.Delivery) {
        withBudget { budget in
            var bits = DeflateBits()
            bits.fixedBlock([], isFinal: true)
            let wire = Array(repeating: bits.bytes, count: 5000).flatMap { $0 }
            let client = client(budget, delivery: delivery)
            client.receive(
                WireFrame.compressed(.binary, wire).bytes + WireFrame.text("next").bytes)
            #expect(client.events.withChunksJoined == [.binary([]), .text("next")])
            #expect(client.turns >= 5000 / 256)
        }
    }

    @Test(
        "RFC 7692 §7.2.2 one call reads at most 64 KiB of empty blocks",
        arguments: [Endpoint.Delivery.messages, .chunks])
    func emptyBlocks(_ delivery: Endpoint.Delivery) {
        withBudget { budget in
            var bits = DeflateBits()
            for _ in 0..<60_000 { bits.stored([]) }
            let client = client(budget, delivery: delivery)
            client.receive(WireFrame.compressed(.binary, bits.bytes + [0x00]).bytes + WireFrame.text("next").bytes)
            #expect(client.events.withChunksJoined == [.binary([]), .text("next")])
            #expect(client.turns == 300_001 / Self.most)
        }
    }

    @Test("Any method may be called between two receives without losing data")
    func between() {
        let content = DeflateSample.zeros.bytes(1 << 20)
        let bytes = WireFrame.compressed(.binary, OracleCompressor.message(content, level: 9)).bytes
        let acts: [(String, (EndpointHarness) -> Void)] = [
            ("nothing", { _ in }), ("a Ping", { _ = try? $0.endpoint.ping(at: $0.now) }),
            ("a close", { $0.close(.normalClosure) }), ("a pause", { $0.endpoint.setInputPaused(true, at: $0.now) }),
            ("chunks", { $0.endpoint.delivery = .chunks }), ("time", { $0.advance(by: .seconds(9)) }),
            (
                "input of no bytes",
                { harness in
                    var input = ReadBuffer(UnsafeMutableRawBufferPointer(start: nil, count: 0))
                    guard case .needsInput = harness.endpoint.receive(&input, at: harness.now) else {
                        Issue.record("an event of nothing")
                        return
                    }
                }
            ),
        ]
        withBudget { budget in
            for (name, act) in acts {
                for turn in 0..<18 {
                    let client = client(budget)
                    var memory = bytes + WireFrame.text("next").bytes
                    var events: [RecordedEvent] = []
                    var turns = 0
                    memory.withUnsafeMutableBytes { memory in
                        var input = ReadBuffer(memory)
                        loop: while true {
                            switch client.endpoint.receive(&input, at: client.now) {
                            case .inProgress:
                                if turns == turn { act(client) }
                                turns += 1
                            case .message(let kind, let payload): events.append(.message(kind, Array(payload)))
                            case .chunk(let kind, let payload, let isFirst, let isLast):
                                events.append(.chunk(kind, Array(payload), isFirst: isFirst, isLast: isLast))
                            case .needsInput: break loop
                            default: Issue.record("another event")
                            }
                        }
                    }
                    if events.withChunksJoined != [.binary(content), .text("next")] {
                        Issue.record("\(name) after \(turn): \(events.map(\.summary))")
                    }
                    #expect(turns >= (name == "chunks" ? turn : 15) || turn > 15)
                }
            }
        }
    }

    @Test(
        "RFC 6455 §7.1.7 a violation is detected in whichever call reads it",
        arguments: [10, most - 1, most, most + 1, 150_000])
    func failures(position: Int) {
        withBudget { budget in
            var content = Array(repeating: UInt8(0x61), count: 200_000)
            content[position] = 0xFF
            let client = client(budget)
            client.receive(WireFrame.compressed(.text, OracleCompressor.message(content, level: 9)).bytes)
            #expect(client.turns == position / Self.most)
            client.expectFailed(with: 1007)
        }
    }

    @Test("§5.4 every header is reported, one per call")
    func reportedFrames() {
        let client = EndpointHarness.open(.client)
        client.endpoint.reportsFrames = true
        let frames =
            [WireFrame.text("", isFinal: false)] + Array(repeating: .continuation("", isFinal: false), count: 999)
        client.receive(frames.bytes(from: .server))
        #expect(client.events.count == 1000 && client.turns == 0)
    }
}
