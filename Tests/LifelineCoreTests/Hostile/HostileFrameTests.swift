import Testing

@testable import LifelineCore

/// Frames from a client that keeps to no rule, and the code with which the server ends it.
struct HostileFrames: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: [UInt8]
    var code: UInt16

    init(_ description: String, _ frames: WireFrame..., code: UInt16) {
        testDescription = description
        bytes = frames.bytes(from: .client)
        self.code = code
    }

    init(_ description: String, bytes: [UInt8], code: UInt16) {
        testDescription = description
        self.bytes = bytes
        self.code = code
    }

    private static func announcing(_ length: UInt64) -> [UInt8] {
        WireFrame(opcode: 2, payload: [], declaredLength: length).masked().header
    }

    private static let begun = WireFrame.text("begun", isFinal: false)

    static let all: [HostileFrames] = [
        .init("a length of 2^63, then silence", bytes: announcing(1 << 63), code: 1002),
        .init("a length of 2^64 - 1, then silence", bytes: announcing(.max), code: 1002),
        .init("a length of 2^63 - 1, then silence", bytes: announcing(1 << 63 - 1), code: 1009),
        .init("a length one past the limit, then silence", bytes: announcing(1 << 20 + 1), code: 1009),
        .init(
            "a length of 5 in eight bytes", WireFrame(opcode: 2, payload: [0, 0, 0, 0, 0], lengthFieldSize: 8),
            code: 1002),
        .init(
            "a length of 5 in two bytes", WireFrame(opcode: 2, payload: [0, 0, 0, 0, 0], lengthFieldSize: 2), code: 1002
        ),
        .init("text without a mask", bytes: WireFrame.text("plain").bytes, code: 1002),
        .init("a Ping without a mask", bytes: WireFrame.ping("plain").bytes, code: 1002),
        .init("a Close frame without a mask", bytes: WireFrame.close(1000).bytes, code: 1002),
        .init("RSV1 without an extension", WireFrame(opcode: 1, reserved: 4, payload: [0x61]), code: 1002),
        .init("RSV2", WireFrame(opcode: 1, reserved: 2, payload: [0x61]), code: 1002),
        .init("RSV3", WireFrame(opcode: 1, reserved: 1, payload: [0x61]), code: 1002),
        .init("RSV1 on a continuation", begun, WireFrame(opcode: 0, reserved: 4, payload: [0x61]), code: 1002),
        .init("RSV1 on a Ping", WireFrame(opcode: 9, reserved: 4, payload: []), code: 1002),
        .init("opcode 3", WireFrame(opcode: 3, payload: []), code: 1002),
        .init("opcode 15", WireFrame(opcode: 15, payload: []), code: 1002),
        .init("a fragmented Ping", WireFrame(opcode: 9, isFinal: false, payload: []), code: 1002),
        .init("a Ping of 126 bytes", WireFrame(opcode: 9, payload: Array(repeating: 0, count: 126)), code: 1002),
        .init("a continuation of nothing", .continuation("lost", isFinal: true), code: 1002),
        .init("a message inside a message", begun, .text("inner"), code: 1002),
        .init("text that is no UTF-8", .text([0xC3, 0x28]), code: 1007),
        .init("an overlong form", .text([0xC0, 0xAF]), code: 1007),
        .init("a surrogate", .text([0xED, 0xA0, 0x80]), code: 1007),
        .init("past U+10FFFF", .text([0xF4, 0x90, 0x80, 0x80]), code: 1007),
        .init(
            "bad text in the middle of a fragment", begun, .continuation([0x61, 0xFF, 0x61], isFinal: false), code: 1007
        ),
        .init("half a character at the end", begun, .continuation([0xE2, 0x82], isFinal: true), code: 1007),
        .init("a Close frame of one byte", WireFrame(opcode: 8, payload: [3]), code: 1002),
        .init("a Close frame of 126 bytes", .close(1000, String(repeating: "r", count: 124)), code: 1002),
        .init("close code 0", .close(0), code: 1002),
        .init("close code 999", .close(999), code: 1002),
        .init("close code 1006", .close(1006), code: 1002),
        .init("close code 1015", .close(1015), code: 1002),
        .init("close code 5000", .close(5000), code: 1002),
        .init("a close reason that is no UTF-8", WireFrame(opcode: 8, payload: [3, 0xE8, 0xFF]), code: 1007),
    ]
}

@Suite("Hostile input: frames")
struct HostileFrameTests {
    @Test(
        "A server survives hostile frames, and names the violation", arguments: HostileFrames.all,
        [Endpoint.Delivery.messages, .chunks])
    func survives(_ frames: HostileFrames, delivery: Endpoint.Delivery) {
        let server = EndpointHarness.open(.server, delivery: delivery)
        server.receive(frames.bytes)
        server.expectFailed(with: frames.code)
    }

    @Test("A server survives hostile input that arrives byte by byte", arguments: HostileFrames.all)
    func survivesByteByByte(_ frames: HostileFrames) {
        let server = EndpointHarness.open(.server)
        server.receiveByteByByte(frames.bytes)
        server.expectFailed(with: frames.code)
    }

    @Test("A message of a million empty fragments gives 1008 at the limit")
    func emptyFragments() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("", isFinal: false))
        let thousand = Array(repeating: WireFrame.continuation("", isFinal: false), count: 1000).bytes(from: .client)
        var sent = 1
        while server.phase == .open, sent < 1_000_000 {
            server.receive(thousand)
            sent += 1000
        }
        #expect(sent < 18_000)
        server.expectFailed(with: 1008)
    }

    @Test(
        "A message of 1-byte fragments gives 1008 at the limit, and holds no more memory than arrived")
    func tinyFragments() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("a", isFinal: false))
        // The fragment n is allowed behind n - 1 bytes where n <= 16,384 + (n - 1) / 32.
        let most = (1...20_000).last { $0 <= 16_384 + ($0 - 1) / 32 } ?? 0
        for _ in 1..<most { server.receive(WireFrame.continuation("a", isFinal: false).bytes(from: .client)) }
        server.expectOpen()
        let kept = server.endpoint.assembly.count
        #expect(kept == most && most > 16_384)
        server.receive(.continuation("a", isFinal: false))
        server.expectFailed(with: 1008)
        let keptAfterwards = server.endpoint.assembly.count
        #expect(keptAfterwards == 0)
    }

    @Test("Random bytes end every connection with a valid outcome")
    func randomBytes() {
        var generator = SplitMix64(seed: 1886)
        for round in 0..<TestScale.rounds(debug: 1000, release: 200_000) {
            let role = generator.below(2) == 0 ? WebSocketRole.client : .server
            let harness = EndpointHarness.open(role, delivery: generator.below(2) == 0 ? .messages : .chunks)
            let bytes = generator.bytes(1 + generator.below(200))
            harness.receive(bytes, splitAt: [generator.below(bytes.count + 1)])
            expectSound(harness, "round \(round)")
        }
    }

    @Test("Corrupted frames end every connection with a valid outcome")
    func mutatedFrames() {
        var generator = SplitMix64(seed: 1887)
        for round in 0..<TestScale.rounds(debug: 500, release: 100_000) {
            let role = generator.below(2) == 0 ? WebSocketRole.client : .server
            var bytes = Transcript.rich.frames.bytes(from: role.peer)
            for _ in 0...generator.below(3) {
                bytes[generator.below(bytes.count)] ^= UInt8(1 << generator.below(8))
            }
            let harness = EndpointHarness.open(role, delivery: generator.below(2) == 0 ? .messages : .chunks)
            let cuts = (0..<generator.below(4)).map { _ in generator.below(bytes.count + 1) }.sorted()
            harness.receive(bytes, splitAt: cuts)
            expectSound(harness, "round \(round)")
        }
    }

    @Test("Corrupted handshakes are answered, closed or await more input")
    func mutatedHandshakes() {
        var generator = SplitMix64(seed: 1888)
        for _ in 0..<TestScale.rounds(debug: 500, release: 100_000) {
            let isServer = generator.below(2) == 0
            let harness = isServer ? EndpointHarness(server: .server) : .client()
            var bytes = isServer ? HandshakeText.request.bytes : EndpointHarness.answerToFirstSeed
            for _ in 0...generator.below(3) {
                bytes[generator.below(bytes.count)] = UInt8(truncatingIfNeeded: generator.next())
            }
            harness.receive(bytes, splitAt: [generator.below(bytes.count + 1)])
            harness.receiveEnd()
            #expect(harness.phase == .closed && harness.outcome?.isClean == false)
        }
    }

    /// Checks what holds after any input at all.
    private func expectSound(
        _ harness: EndpointHarness, _ context: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let frames = harness.takeFrames(sourceLocation: sourceLocation)
        let closes = frames.filter { $0.opcode == 8 }.count
        let isSound =
            switch harness.phase {
            case .open: harness.outcome == nil && closes == 0 && harness.transportRequest == nil
            case .ending: harness.outcome != nil && closes == 1 && frames.last?.opcode == 8
            default: false
            }
        let closedEvents = harness.events.filter { $0 == .closed }.count
        if !isSound || closedEvents != closes {
            Issue.record("\(context): \(harness.phase), \(harness.events)", sourceLocation: sourceLocation)
        }
        harness.receiveEnd()
        #expect(harness.phase == .closed && harness.outcome != nil, sourceLocation: sourceLocation)
    }
}
