import Testing

@testable import LifelineCore

/// Whatever a message is split into, by its sender or on its way, what it costs is a constant for each byte that is read and
/// inflated, and what it takes while it waits for more is a few times what has come.
@Suite("§10.4 work is linear in the bytes received")
struct LinearWorkTests {
    /// Sizes near the blocks in which memory comes.
    private static let sizes = [0, 1, 128, 1 << 10, 16 << 10, 64 << 10].flatMap { size in
        [-1, 0, 1].map { size + $0 }.filter { $0 >= 0 }
    }

    /// How a message goes on the wire.
    enum Form: CaseIterable, Sendable {
        case plain, deflated, stored

        /// The payloads of a message's frames, where its content is cut so.
        func payloads(_ parts: [[UInt8]]) -> [[UInt8]] {
            guard self != .plain else { return parts }
            let compressor = OracleCompressor(level: self == .stored ? 0 : 6)
            return parts.enumerated().map { index, part in
                let wire = compressor.compress(part)
                // A flush of nothing gives nothing the second time.
                guard index == parts.count - 1 else { return wire }
                return wire.isEmpty ? [0x00] : Array(wire.dropLast(4))
            }
        }
    }

    private func frames(_ form: Form, _ parts: [[UInt8]], kind: MessageKind = .binary) -> [WireFrame] {
        form.payloads(parts).enumerated().map { index, payload in
            let isFinal = index == parts.count - 1
            guard index == 0 else { return .continuation(payload, isFinal: isFinal) }
            return WireFrame(
                opcode: kind == .text ? 1 : 2, isFinal: isFinal, reserved: form == .plain ? 0 : 4, payload: payload)
        }
    }

    /// The content in so many parts, as equal as can be.
    private func parts(_ content: [UInt8], _ count: Int) -> [[UInt8]] {
        (0..<count).map { Array(content[(content.count * $0 / count)..<(content.count * ($0 + 1) / count)]) }
    }

    private func configuration(_ budget: CompressionBudget) -> EndpointConfiguration {
        .compressing(.client, budget).limited(message: 16 << 20, fragments: 100_000)
    }

    private func check(
        _ frames: [WireFrame], _ content: [UInt8], pieces: [Int], _ budget: CompressionBudget,
        _ what: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let bytes = frames.bytes(from: .server)
        for piece in pieces {
            for (delivery, hasPool) in [(Endpoint.Delivery.messages, true), (.chunks, true), (.messages, false)] {
                var reader = MeteredReader(configuration(budget), delivery: delivery, hasPool: hasPool)
                reader.receive(bytes, piece: piece, sourceLocation: sourceLocation)
                reader.check(
                    [.message(.binary, content)], "\(what()), \(piece) at a time, \(delivery)",
                    sourceLocation: sourceLocation)
            }
        }
    }

    @Test("The work meter reports work above a constant per byte")
    func meter() {
        let meter = WorkMeter()
        meter.inflated = 10_000
        #expect(meter.excess(read: 10_000, calls: 10) == nil)
        for (counter, most) in [(\WorkMeter.copied, 64_096), (\.allocated, 235_776), (\.inflations, 20_645)] {
            meter[keyPath: counter] = most
            #expect(meter.excess(read: 10_000, calls: 10) == nil)
            meter[keyPath: counter] = most + 1
            #expect(meter.excess(read: 10_000, calls: 10) != nil)
            meter[keyPath: counter] = 0
        }
    }

    @Test("§10.4 a frame that arrives in chunks of any size takes linear work", arguments: Form.allCases, sizes)
    func oneFrame(_ form: Form, size: Int) {
        withBudget { budget in
            for sample in [DeflateSample.json, .zeros, .random] {
                let content = sample.bytes(size)
                let frames = frames(form, [content])
                let wire = frames.bytes(from: .server).count
                var pieces = [Int.max, 4096, 1000, 64 << 10]
                if wire <= 3000 { pieces += [1, 2, 7] }
                check(frames, content, pieces: pieces, budget, "\(size) of \(sample)")
            }
        }
    }

    @Test(
        "§10.4 a frame split in two at any offset takes linear work", arguments: Form.allCases,
        [127, 128, 129, 1023, 1024, 1025])
    func everySplit(_ form: Form, size: Int) {
        withBudget { budget in
            let content = DeflateSample.json.bytes(size)
            let bytes = frames(form, [content]).bytes(from: .server)
            for split in 0...bytes.count {
                var reader = MeteredReader(configuration(budget))
                reader.receive(Array(bytes[..<split]))
                reader.receive(Array(bytes[split...]))
                reader.check([.message(.binary, content)], "\(size) split at \(split)")
            }
        }
    }

    @Test(
        "§5.4, §10.4 fragments of every size, including empty ones, take linear work", arguments: Form.allCases, sizes)
    func fragments(_ form: Form, size: Int) {
        withBudget { budget in
            let content = DeflateSample.json.bytes(size)
            for count in [2, 3, 17, 300] where count <= 17 || size > 1000 && size < 40_000 {
                check(
                    frames(form, parts(content, count)), content, pieces: [.max, 509, 64 << 10], budget,
                    "\(size) in \(count) fragments")
            }
        }
    }

    @Test(
        "§5.4, §10.4 large messages in fragments near the block sizes take linear work", arguments: Form.allCases,
        [((1 << 20) - 1, 3), (1 << 20, 16), ((1 << 20) + 1, 1000), (3 << 20, 48)])
    func largeMessages(_ form: Form, message: (size: Int, count: Int)) {
        withBudget { budget in
            let (size, count) = message
            let content = size > 1 << 20 ? Array(repeating: 7, count: size) : DeflateSample.json.bytes(size)
            let bytes = frames(form, parts(content, count)).bytes(from: .server)
            for piece in [64 << 10, 512 << 10] {
                var reader = MeteredReader(configuration(budget))
                reader.receive(bytes, piece: piece)
                reader.check([.message(.binary, content)], "\(size) in \(count), \(piece) at a time")
            }
        }
    }

    @Test(
        "§5.4, §10.4 many empty fragments after a first one of any size take linear work",
        arguments: Form.allCases,
        [1, 1000, 10 << 10, 16 << 10, (16 << 10) + 1, (64 << 10) - 1, 64 << 10, 300_000, 1 << 20])
    func emptyFragments(_ form: Form, size: Int) {
        withBudget { budget in
            let content = DeflateSample.random.bytes(size)
            var begun = frames(form, [content, []])
            let last = begun.removeLast()
            let empty = Array(repeating: WireFrame.continuation([], isFinal: false), count: 4000)
            let bytes = (begun + empty + [last]).bytes(from: .server)
            for piece in [Int.max, 1000] {
                var reader = MeteredReader(configuration(budget))
                reader.receive(bytes, piece: piece)
                reader.check([.message(.binary, content)], "\(size), then nothing, \(piece) at a time")
                if piece == .max { #expect(reader.turns >= 4000 / 256 - 1) }
            }
        }
    }

    @Test("§5.4, §10.4 one-byte compressed fragments that inflate to much, or to nothing, take linear work")
    func tinyCompressedFragments() {
        withBudget { budget in
            var blocks = DeflateBits()
            for _ in 0..<2000 { blocks.stored([]) }
            for (content, wire) in [
                (DeflateSample.zeros.bytes(2 << 20), OracleCompressor.message(DeflateSample.zeros.bytes(2 << 20))),
                (DeflateSample.json.bytes(20_000), OracleCompressor.message(DeflateSample.json.bytes(20_000))),
                ([], blocks.bytes + [0x00]),
            ] {
                let frames = wire.enumerated().map { index, byte in
                    index == 0
                        ? WireFrame.compressed(.binary, [byte], isFinal: false)
                        : .continuation([byte], isFinal: index == wire.count - 1)
                }
                check(frames, content, pieces: [.max, 1, 999], budget, "\(content.count) byte by byte")
            }
        }
    }

    @Test(
        "§10.4 input that inflates to little holds no memory while the message is incomplete",
        arguments: [0, 10, 5000])
    func givesLittle(given: Int) {
        var blocks = DeflateBits()
        for _ in 0..<30_000 { blocks.stored([]) }
        withBudget { budget in
            var bits = DeflateBits()
            bits.stored(Array(repeating: 7, count: given))
            var reader = MeteredReader(configuration(budget))
            for (index, payload) in [bits.bytes, blocks.bytes, [], blocks.bytes, [0, 0]].enumerated() {
                let frame =
                    index == 0
                    ? WireFrame.compressed(.binary, payload, isFinal: false)
                    : .continuation(payload, isFinal: false)
                reader.receive(frame.bytes + WireFrame.ping("p").bytes)
            }
            reader.check(Array(repeating: .ping("p"), count: 5), "\(given) and empty blocks")
        }
    }

    @Test(
        "§10.4 a refusal that arrives byte by byte takes linear work",
        arguments: ["Transfer-Encoding: chunked", "X: y"])
    func refusalBody(_ field: String) {
        let client = EndpointHarness.client()
        client.receive(HandshakeText(startLine: "HTTP/1.1 403 Forbidden", fields: [field]).bytes)
        let body = String(repeating: "1\r\na\r\n", count: 300)
        client.receiveByteByByte(Array(body.utf8))
        #expect(client.handshakeFailure?.reason == .refused || client.phase == .opening)
    }
}
