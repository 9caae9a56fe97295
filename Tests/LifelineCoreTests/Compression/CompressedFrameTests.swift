import Testing

@testable import LifelineCore

@Suite("RFC 7692 §6: compressed messages in frames")
struct CompressedFrameTests {
    private static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    private func endpoint(
        _ role: WebSocketRole, _ budget: CompressionBudget, delivery: Endpoint.Delivery = .messages
    ) -> EndpointHarness {
        .compressing(role, configuration: .compressing(role, budget), delivery: delivery)
    }

    private func frame(_ opcode: UInt8, reserved: UInt8, isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: opcode, isFinal: isFinal, reserved: reserved, payload: opcode >= 8 ? [] : Self.hello)
    }

    @Test(
        "§6 RSV1 on a control frame, on a continuation or inside a message gives 1002",
        arguments: WebSocketRole.allCases,
        [Endpoint.Delivery.messages, .chunks])
    func misplacedBit(role: WebSocketRole, delivery: Endpoint.Delivery) {
        withBudget { budget in
            let plainBeginning = WireFrame.text("be", isFinal: false)
            let compressedBeginning = WireFrame.compressed(.text, Array(Self.hello[..<3]), isFinal: false)
            var cases: [[WireFrame]] = [8, 9, 10].map { [frame($0, reserved: 4)] }
            for beginning in [plainBeginning, compressedBeginning] {
                cases += [0, 1, 2, 8, 9, 10].map { [beginning, frame($0, reserved: 4)] }
                cases.append([beginning, frame(0, reserved: 4, isFinal: false)])
            }
            // A continuation of nothing.
            cases.append([frame(0, reserved: 4)])
            for frames in cases {
                let harness = endpoint(role, budget, delivery: delivery)
                harness.receive(frames.bytes(from: role.peer))
                harness.expectFailed(with: 1002)
            }
        }
    }

    @Test("§6 RSV2, RSV3 and reserved opcodes give 1002 with permessage-deflate too")
    func otherBits() {
        withBudget { budget in
            for reserved in UInt8(1)...7 where reserved != 4 {
                for opcode in [1, 2, 9] as [UInt8] {
                    let server = endpoint(.server, budget)
                    server.receive(frame(opcode, reserved: reserved))
                    server.expectFailed(with: 1002)
                }
            }
            for opcode in [3, 7, 11, 15] as [UInt8] {
                let server = endpoint(.server, budget)
                server.receive(frame(opcode, reserved: 4))
                server.expectFailed(with: 1002)
            }
        }
    }

    @Test("§6 RSV1 without an agreement gives 1002 and a reason that names the bit", arguments: WebSocketRole.allCases)
    func noAgreement(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(frame(1, reserved: 4))
        #expect(harness.violation?.description.contains("RSV1") == true)
        harness.expectFailed(with: 1002)
    }

    @Test("§6.2 a misplaced RSV1 fails the connection before the payload arrives")
    func headerAlone() {
        withBudget { budget in
            let server = endpoint(.server, budget)
            server.receive(Array(WireFrame(opcode: 9, reserved: 4, payload: [1, 2]).masked().header.prefix(2)))
            server.expectFailed(with: 1002)
        }
    }

    @Test(
        "§6.1 compressed and uncompressed messages may alternate; only the former enter the window",
        arguments: WebSocketRole.allCases, [Endpoint.Delivery.messages, .chunks])
    func alternating(role: WebSocketRole, delivery: Endpoint.Delivery) {
        withBudget { budget in
            let compressor = OracleCompressor()
            let texts = (0..<12).map { Array("a message that has much in common with the others, \($0)".utf8) }
            var frames: [WireFrame] = []
            for (index, text) in texts.enumerated() {
                switch index % 4 {
                case 0: frames.append(.compressed(.text, compressor.message(text)))
                case 1: frames.append(.text(text))
                case 2:
                    let wire = compressor.message(text)
                    frames += [
                        .compressed(.text, Array(wire.prefix(wire.count / 2)), isFinal: false),
                        .continuation(Array(wire.dropFirst(wire.count / 2)), isFinal: true),
                    ]
                default:
                    frames += [
                        .text(Array(text[..<9]), isFinal: false), .continuation(Array(text[9...]), isFinal: true),
                    ]
                }
            }
            let bytes = frames.bytes(from: role.peer)
            let whole = endpoint(role, budget, delivery: delivery)
            whole.receive(bytes)
            #expect(whole.events.withChunksJoined == texts.map { .message(.text, $0) })
            let split = endpoint(role, budget, delivery: delivery)
            split.receiveByteByByte(bytes)
            #expect(split.events.withChunksJoined == texts.map { .message(.text, $0) })
        }
    }

    @Test(
        "§6.1 control frames between the fragments of a compressed message are read", arguments: WebSocketRole.allCases,
        [Endpoint.Delivery.messages, .chunks])
    func controlFramesBetween(role: WebSocketRole, delivery: Endpoint.Delivery) {
        withBudget { budget in
            let text = Array("Ping in the middle of a compressed message, in the middle, in the middle".utf8)
            let wire = OracleCompressor.message(text)
            let harness = endpoint(role, budget, delivery: delivery)
            var frames: [WireFrame] = [.compressed(.text, [], isFinal: false), .ping("0")]
            for (index, byte) in wire.enumerated() {
                frames += [.continuation([byte], isFinal: false), .ping("\(index + 1)"), .pong("unasked")]
            }
            frames.append(.continuation([], isFinal: true))
            harness.receive(frames.bytes(from: role.peer))
            let events = harness.takeEvents()
            #expect(events.withChunksJoined.last == .message(.text, text))
            let pings = events.compactMap { if case .ping(let payload) = $0 { payload } else { nil } }
            #expect(pings == (0...wire.count).map { Array("\($0)".utf8) })
            #expect(harness.takeFrames().map(\.opcode) == Array(repeating: 0xA, count: pings.count))
            harness.expectOpen()
        }
    }

    @Test("§6.1 a Close frame between the fragments of a compressed message ends the connection cleanly")
    func closeBetween() {
        withBudget { budget in
            let server = endpoint(.server, budget)
            server.receive(.compressed(.text, Array(Self.hello[..<4]), isFinal: false), .close(1000, "enough"))
            #expect(server.events == [.closed] && server.outcome?.isClean == true)
            #expect(server.takeFrames().map(\.closeCode) == [1000])
        }
    }

    @Test(
        "§6.1 after a Close frame is sent, a compressed message is received, and a corrupt one fails the connection")
    func dataWhileClosing() {
        withBudget { budget in
            for cut in 0...Self.hello.count {
                let client = endpoint(.client, budget)
                let bytes = WireFrame.compressed(.text, Self.hello).bytes
                client.receive(Array(bytes.prefix(cut)))
                client.close(.normalClosure)
                client.receive(Array(bytes.dropFirst(cut)))
                #expect(client.takeEvents() == [.text("Hello")])
                client.receive(.compressed(.text, [0xFF, 0xFF]), .close(1000))
                #expect(client.events == [.closed] && client.violation?.closeCode.rawValue == 1007)
            }
        }
    }

    @Test("§6 reported headers have RSV1 on the first frame only")
    func reportedHeaders() throws {
        withBudget { budget in
            let server = endpoint(.server, budget)
            server.endpoint.reportsFrames = true
            server.receive(
                .compressed(.text, Array(Self.hello[..<3]), isFinal: false), .ping("between"),
                .continuation(Array(Self.hello[3...]), isFinal: true), .text("plain"))
            let headers = server.events.compactMap { if case .frame(let header) = $0 { header } else { nil } }
            #expect(headers.map(\.rsv1) == [true, false, false, false])
            #expect(headers.map(\.opcode) == [.text, .ping, .continuation, .text])
        }
    }

    @Test(
        "§6.1 RSV1 is sent only on the first frame of a compressed message",
        arguments: WebSocketRole.allCases)
    func sentBits(role: WebSocketRole) throws {
        try withBudget { budget in
            let harness = endpoint(role, budget)
            try harness.send(.text, Array("one".utf8), .first, compress: .always)
            try harness.ping()
            try harness.send(.text, Array("two".utf8), .middle, compress: .always)
            try harness.send(.text, Array("three".utf8), .last, compress: .always)
            try harness.send(.text, Array("plain".utf8), compress: .never)
            try harness.send(.binary, [1], .first, compress: .never)
            try harness.send(.binary, [2], .last, compress: .always)
            harness.close(.normalClosure)
            #expect(harness.takeFrames().map(\.reserved) == [4, 0, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test("§6.1 a fragmented message whose first frame is uncompressed stays uncompressed")
    func plainToItsEnd() throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            let json = DeflateSample.json.bytes(4000)
            try pair.send(from: .client, .text, Array(json[..<2000]), .first, compress: .never)
            #expect(try !pair.send(from: .client, .text, Array(json[2000...]), .last, compress: .always))
            #expect(pair.server.takeEvents() == [.message(.text, json)])
            #expect(pair.client.endpoint.compressionStatistics == CompressionStatistics())
            try pair.exchange(from: .client, .text, json)
        }
    }
}
