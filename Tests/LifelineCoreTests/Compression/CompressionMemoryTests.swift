import Testing

@testable import LifelineCore

@Suite("RFC 7692 §7: memory used by compression")
struct CompressionMemoryTests {
    private static let noTakeover = PerMessageDeflate(serverNoContextTakeover: true, clientNoContextTakeover: true)
    private let json = DeflateSample.json.bytes(1000)

    @Test("No stream is allocated before the first compressed message")
    func nothingBefore() throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            #expect(budget.bytesInUse == 0)
            try pair.exchange(from: .client, .text, json, compress: .never)
            try pair.exchange(from: .server, .text, Array("short".utf8), compress: .automatic)
            pair.server.receive(.ping("p"))
            #expect(pair.server.takeEvents() == [.ping("p")])
            #expect(budget.bytesInUse == 0)
            let deadlines = [pair.client.deadline, pair.server.deadline]
            #expect(deadlines == [nil, nil])
            try pair.exchange(from: .client, .text, json)
            #expect(budget.bytesInUse > 0)
        }
    }

    @Test("Without context takeover, connections share the loop's spare streams")
    func noTakeover() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            var pairs: [CompressingPair] = []
            var sizes: Set<Int> = []
            for _ in 0..<50 {
                let pair = CompressingPair(Self.noTakeover, budget: budget, memory: memory)
                for role in [WebSocketRole.client, .server] { try pair.exchange(from: role, .text, json) }
                pairs.append(pair)
                sizes.insert(budget.bytesInUse)
                #expect(pair.server.deadline == nil && pair.client.deadline == nil)
            }
            // One compressor and one decompressor for all of them.
            #expect(sizes.count == 1)
            for pair in pairs {
                for role in [WebSocketRole.client, .server] { try pair.exchange(from: role, .text, json) }
            }
            #expect(sizes == [budget.bytesInUse])
        }
    }

    @Test("Without context takeover, a stream is held only during a message")
    func heldOnTheWay() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            let pairs = (0..<20).map { _ in CompressingPair(Self.noTakeover, budget: budget, memory: memory) }
            for pair in pairs { try pair.send(from: .client, .text, json, .first) }
            let atMost = budget.bytesInUse
            for pair in pairs {
                try pair.send(from: .client, .text, json, .last)
                #expect(pair.server.takeEvents() == [.message(.text, json + json)])
            }
            #expect(budget.bytesInUse <= atMost / 4 && budget.bytesInUse > 0)
        }
    }

    @Test("The number of spare streams is limited, whatever the number of connections")
    func poolIsBounded() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            for agreement in PerMessageDeflate.all + PerMessageDeflate.all {
                let pairs = (0..<6).map { _ in CompressingPair(agreement, budget: budget, memory: memory) }
                for role in [WebSocketRole.client, .server] {
                    for pair in pairs { try pair.exchange(from: role, .text, json) }
                }
            }
            // Eight kinds and four of each, in both directions; a stream of the default size takes 10 to 270 KB.
            #expect(budget.bytesInUse < 8 * 4 * (280 << 10) + 8 * 4 * (50 << 10))
        }
    }

    @Test("A reused stream starts with an empty window")
    func poolForgets() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            var wires: Set<[UInt8]> = []
            for _ in 0..<5 {
                let pair = CompressingPair(budget: budget, memory: memory)
                try pair.client.send(.text, json, compress: .always)
                wires.insert(try #require(pair.client.takeFrames().first).payload)
                // A reference to what another connection received is one to nothing.
                var bits = DeflateBits()
                bits.beginFixed()
                bits.fixed(.threeBytes(distance: 3))
                bits.fixed(.endOfBlock)
                bits.endMessage()
                try pair.exchange(from: .server, .text, json)
                let next = CompressingPair(budget: budget, memory: memory)
                next.client.receive(.compressed(.text, bits.bytes))
                next.client.expectFailed(with: 1007)
            }
            #expect(wires.count == 1)
        }
    }

    @Test("A stream is reusable after corrupt data")
    func poolAfterCorruption() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            for corrupt: [UInt8] in [[0xFF, 0xFF], Array(OracleCompressor.message(json).prefix(50)), [0x00, 0x01]] {
                do {
                    let pair = CompressingPair(budget: budget, memory: memory)
                    pair.server.receive(.compressed(.text, corrupt))
                    pair.server.expectFailed(with: 1007)
                }
                let pair = CompressingPair(budget: budget, memory: memory)
                try pair.exchange(from: .client, .text, json)
            }
        }
    }

    // MARK: Idleness

    @Test(
        "§7.1.1 messages are correct after a connection was idle and kept only its windows",
        arguments: PerMessageDeflate.all)
    func idle(_ agreement: PerMessageDeflate) throws {
        try withBudget { budget in
            let timeout = Duration.seconds(agreement.serverMaxWindowBits)
            let pair = CompressingPair(agreement, budget: budget, memory: MemoryPool()) { $0.idleTimeout = timeout }
            // So few that the windows are not full, and more than they hold.
            for (sample, size) in [
                (DeflateSample.json, 100), (.text, 1000), (.json, 40_000), (.zeros, 100), (.random, 1000), (.json, 300),
            ] {
                for role in [WebSocketRole.client, .server] {
                    try pair.exchange(from: role, sample.isText ? .text : .binary, sample.bytes(size))
                }
                pair.advance(by: timeout)
                for role in [WebSocketRole.client, .server] { #expect(pair[role].deadline == nil) }
                // Only one direction, so that the windows are not restored together.
                try pair.exchange(from: .server, .text, json)
                pair.advance(by: timeout)
            }
        }
    }

    @Test("§7.1.1 an idle connection keeps only its windows")
    func idleSize() throws {
        try withBudget { budget in
            let memory = MemoryPool()
            // What the loop keeps, whoever is idle.
            let first = CompressingPair(budget: budget, memory: memory)
            try first.exchange(from: .client, .text, Array("x".utf8))
            first.advance(by: .seconds(10))
            let spare = budget.bytesInUse - 2
            for size in [1, 500, 20_000, 32 << 10, 100_000] {
                let pair = CompressingPair(budget: budget, memory: memory)
                let content = DeflateSample.json.bytes(size)
                try pair.exchange(from: .client, .text, content)
                pair.advance(by: .seconds(10))
                // A window on either side; zlib's decompressor has all of it, its compressor but for what it looks ahead.
                let left = budget.bytesInUse - spare - 2
                #expect(left <= 2 * min(size, 32 << 10) && left >= 2 * (min(size, 32 << 10) - 300))
            }
            #expect(budget.bytesInUse == spare + 2)
        }
    }

    @Test("§7.1.1 a connection is idle after idleTimeout without compressed messages")
    func idleTime() throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            func isShrunk() -> Bool { pair.client.deadline == nil || pair.server.deadline == nil }
            try pair.exchange(from: .client, .text, json)
            for _ in 0..<5 {
                pair.advance(by: .milliseconds(9999))
                try pair.exchange(from: .client, .text, json)
            }
            #expect(!isShrunk())
            pair.advance(by: .milliseconds(9999))
            #expect(!isShrunk())
            // Plain messages and control frames do not count.
            try pair.exchange(from: .client, .text, json, compress: .never)
            pair.server.receive(.ping())
            _ = pair.server.takeOutput()
            _ = pair.server.takeEvents()
            pair.advance(by: .milliseconds(1))
            for role in [WebSocketRole.client, .server] { #expect(pair[role].deadline == nil, "\(role)") }
            try pair.exchange(from: .client, .text, json)
            for role in [WebSocketRole.client, .server] { #expect(pair[role].deadline != nil, "\(role)") }
        }
    }

    @Test("A connection inside a message, in either direction, is not idle")
    func notIdleInsideMessage() throws {
        try withBudget { budget in
            let wire = OracleCompressor.message(json)
            let bytes = WireFrame.compressed(.text, wire).bytes(from: .client)
            for cut in [0, 5, 6, 7, bytes.count / 2, bytes.count - 1] {
                let pair = CompressingPair(budget: budget)
                pair.server.receive(Array(bytes.prefix(cut)))
                for _ in 0..<5 { pair.server.advance(by: .seconds(7)) }
                pair.server.receive(Array(bytes.dropFirst(cut)))
                #expect(pair.server.takeEvents() == [.message(.text, json)])

                try pair.send(from: .server, .text, json, .first)
                for position in [FragmentPosition.middle, .middle, .last] {
                    for _ in 0..<5 { pair.advance(by: .seconds(7)) }
                    try pair.send(from: .server, .text, json, position)
                }
                #expect(pair.client.takeEvents() == [.message(.text, json + json + json + json)])
                pair.advance(by: .seconds(20))
                for role in [WebSocketRole.client, .server] { #expect(pair[role].deadline == nil) }
                try pair.exchange(from: .server, .text, json)
            }
        }
    }

    @Test("Heartbeat and idle deadlines are independent")
    func heartbeatBeside() throws {
        try withBudget { budget in
            var configuration = EndpointConfiguration.compressing(.server, budget)
            configuration.heartbeat = HeartbeatConfiguration(interval: .seconds(3), timeout: .seconds(2))
            let memory = MemoryPool()
            let server = EndpointHarness.compressing(.server, configuration: configuration, memory: memory)
            try server.send(.text, json, compress: .always)
            let before = budget.bytesInUse
            for _ in 0..<11 {
                server.advance(by: .seconds(1))
                // A peer that answers each Ping.
                for frame in server.takeFrames() where frame.opcode == 9 {
                    server.receive(WireFrame(opcode: 0xA, payload: frame.payload))
                }
            }
            server.expectOpen()
            #expect(server.events.count >= 3)
            // The loop keeps the compressor, the connection its window.
            #expect(budget.bytesInUse == before + json.count)
            server.advance(by: .seconds(10))
            #expect(server.phase == .ending)
        }
    }

    // MARK: The budget

    @Test("With an exhausted budget, nothing is negotiated or compressed, but messages are decompressed")
    func exhausted() throws {
        let budget = CompressionBudget(limit: 1)
        do {
            let pair = CompressingPair(budget: budget)
            let other = CompressingPair(budget: budget)
            try pair.exchange(from: .client, .text, json)
            #expect(budget.isExhausted)
            // No further agreement.
            let late = EndpointHarness(server: .compressing(.server, budget))
            late.receive(HandshakeText.request.adding("Sec-WebSocket-Extensions: permessage-deflate").bytes)
            #expect(late.endpoint.compressionAgreement == nil && late.phase == .open)
            // One that has a compressor goes on with it; another sends as it is, always or automatic, whole or in fragments.
            #expect(try pair.send(from: .client, .text, json))
            #expect(pair.server.takeEvents() == [.message(.text, json)])
            #expect(try !other.send(from: .client, .text, json, compress: .always))
            #expect(try !other.send(from: .client, .text, json, compress: .automatic))
            #expect(try !other.send(from: .client, .text, json, .first, compress: .always))
            #expect(try !other.send(from: .client, .text, json, .last, compress: .always))
            #expect(
                other.server.takeEvents()
                    == [.message(.text, json), .message(.text, json), .message(.text, json + json)])
            // What comes compressed is decompressed.
            other.server.receive(.compressed(.text, OracleCompressor.message(json)))
            #expect(other.server.takeEvents() == [.message(.text, json)])
        }
        #expect(budget.bytesInUse == 0)
    }

    @Test("Connections compress again once the budget has room")
    func roomAgain() throws {
        try withBudget(10_000) { budget in
            let waiting = CompressingPair(budget: budget)
            do {
                let pair = CompressingPair(budget: budget)
                try pair.exchange(from: .client, .text, json)
                #expect(budget.isExhausted)
                let isCompressed = try waiting.send(from: .client, .text, json)
                #expect(!isCompressed)
            }
            #expect(budget.bytesInUse == 0)
            let isCompressed = try waiting.send(from: .client, .text, json)
            #expect(isCompressed)
            #expect(waiting.server.takeEvents() == [.message(.text, json), .message(.text, json)])
        }
    }

    @Test("A budget exhausted inside a message does not affect that message")
    func exhaustedInside() throws {
        try withBudget(400_000) { budget in
            let pair = CompressingPair(budget: budget)
            let others = (0..<3).map { _ in CompressingPair(budget: budget) }
            try pair.send(from: .client, .text, json, .first)
            for other in others { try other.exchange(from: .server, .text, json) }
            #expect(budget.isExhausted)
            let isCompressed = try pair.send(from: .client, .text, json, .last)
            #expect(isCompressed)
            #expect(pair.server.takeEvents() == [.message(.text, json + json)])
        }
    }

    /// The ways in which a connection ends.
    private static let waysToEnd: [@Sendable (CompressingPair) -> Void] = [
        { $0.server.close(.normalClosure) }, { $0.server.receive(.compressed(.text, [0xFF])) },
        { $0.server.endpoint.abort("enough") }, { $0.server.receiveEnd() }, { $0.advance(by: .seconds(60)) },
        { _ in },
    ]

    @Test(
        "Every kind of end returns all memory", arguments: waysToEnd,
        [false, true])
    func ends(end: @Sendable (CompressingPair) -> Void, isInside: Bool) throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            for role in [WebSocketRole.client, .server] {
                try pair.exchange(from: role, .text, json)
                if isInside { try pair.send(from: role, .text, json, .first) }
            }
            end(pair)
        }
    }
}
