import Testing

@testable import LifelineCore

@Suite("RFC 7692 §7.2.1: compression")
struct CompressionTests {
    /// Sizes around what changes something: nothing, the least size to compress, a frame's length fields, a block, a chunk.
    private static let sizes = [0, 1, 125, 126, 127, 128, 129, 1500]
    private static let largeSizes = [65_535, 65_536, 65_537]

    @Test(
        "§7.2 messages of every size and kind round-trip in both directions under every agreement",
        arguments: PerMessageDeflate.all, [Endpoint.Delivery.messages, .chunks])
    func roundTrips(_ agreement: PerMessageDeflate, delivery: Endpoint.Delivery) throws {
        try withBudget { budget in
            let pair = CompressingPair(agreement, budget: budget, delivery: delivery)
            var large = agreement.serverMaxWindowBits
            for sample in DeflateSample.allCases {
                large += 1
                for size in Self.sizes + (delivery == .messages ? [Self.largeSizes[large % 3]] : []) {
                    for role in [WebSocketRole.client, .server] {
                        try pair.exchange(from: role, sample.isText ? .text : .binary, sample.bytes(size))
                    }
                }
            }
        }
    }

    @Test(
        "§7.2 a message of 1 MiB round-trips, whole and in chunks",
        arguments: [
            PerMessageDeflate(),
            PerMessageDeflate(
                serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 8,
                clientMaxWindowBits: 9),
        ], [Endpoint.Delivery.messages, .chunks])
    func mebibyte(agreement: PerMessageDeflate, delivery: Endpoint.Delivery) throws {
        try withBudget { budget in
            let pair = CompressingPair(agreement, budget: budget, delivery: delivery, memory: MemoryPool())
            for sample in [DeflateSample.json, .zeros] {
                // From the server, whose messages need no masking, which takes its time without optimisation.
                try pair.exchange(from: .server, .binary, sample.bytes(1 << 20))
                try pair.exchange(from: .server, .binary, sample.bytes(1 << 20 - 1))
            }
            try pair.exchange(from: .client, .text, DeflateSample.text.bytes(1 << 20))
        }
    }

    @Test("§7.2 messages round-trip at every compression and memory level", arguments: 1...9, 1...9)
    func levels(_ level: Int, memoryLevel: Int) throws {
        try withBudget { budget in
            for bits in 8...15 {
                let agreement = PerMessageDeflate(
                    serverMaxWindowBits: bits, clientMaxWindowBits: 8 + (bits + level) % 8)
                let pair = CompressingPair(agreement, budget: budget) {
                    $0.level = level
                    $0.memoryLevel = memoryLevel
                }
                for size in [3000, 900] {
                    try pair.exchange(from: .server, .text, DeflateSample.json.bytes(size))
                    try pair.exchange(from: .client, .text, DeflateSample.text.bytes(size))
                }
            }
        }
    }

    // MARK: Windows

    /// Decompresses what an endpoint sends with a decompressor of exactly the agreed window, one byte at a time: what
    /// refers further back fails.
    private struct StrictReceiver {
        private let decompressor: OracleDecompressor
        private let takesOver: Bool

        init(_ agreement: PerMessageDeflate, from role: WebSocketRole) {
            decompressor = OracleDecompressor(windowBits: agreement.maxWindowBits(role))
            takesOver = !agreement.noContextTakeover(role)
        }

        func message(_ frames: [WireFrame]) throws -> [UInt8] {
            if !takesOver { decompressor.reset() }
            return try decompressor.message(frames.flatMap(\.payload))
        }
    }

    @Test(
        "§7.1.2 a sent message never refers back beyond the agreed window", arguments: PerMessageDeflate.windowBits,
        [(WebSocketRole.client, false), (.server, false), (.client, true)])
    func windowLimits(_ bits: Int, sender: (role: WebSocketRole, startsAnew: Bool)) throws {
        let (role, startsAnew) = sender
        // Content that repeats itself at every distance there is.
        let noise = DeflateSample.random.bytes(40_000)
        try withBudget { budget in
            let agreement =
                role == .client
                ? PerMessageDeflate(clientNoContextTakeover: startsAnew, clientMaxWindowBits: bits)
                : PerMessageDeflate(serverMaxWindowBits: bits)
            let harness = EndpointHarness.compressing(
                role, agreement, configuration: .compressing(role, budget) { $0.level = bits % 9 + 1 })
            let receiver = StrictReceiver(agreement, from: role)
            let window = 1 << bits
            let nearby = Array(noise[..<min(window, 2000)])
            let messages = [
                DeflateSample.json.bytes(3000), Array(noise[..<(window - 3)]) + nearby,
                Array(noise[..<(window + 1)]) + nearby, DeflateSample.json.bytes(3000), [], nearby, nearby,
                DeflateSample.text.bytes(2 * window), Array(noise[..<window]), nearby,
            ]
            for (index, message) in messages.enumerated() {
                try harness.send(.binary, message, compress: .always)
                let wire = harness.takeFrames()
                #expect(wire.count == 1 && wire.first?.reserved == 4)
                let received = try receiver.message(wire)
                if received != message { Issue.record("message \(index) from the \(role)") }
                // With what was sent before in mind too, after a while in which nothing was sent.
                if index.isMultiple(of: 3) { harness.advance(by: .seconds(30)) }
            }
        }
    }

    @Test(
        "§7.1.1 context takeover makes a repeated message smaller",
        arguments: WebSocketRole.allCases, [true, false])
    func contextTakeover(role: WebSocketRole, takesOver: Bool) throws {
        let json = DeflateSample.json.bytes(500)
        try withBudget { budget in
            let agreement = PerMessageDeflate(
                serverNoContextTakeover: role == .server && !takesOver,
                clientNoContextTakeover: role == .client && !takesOver)
            let harness = EndpointHarness.compressing(
                role, agreement, configuration: .compressing(role, budget))
            for _ in 0..<3 { try harness.send(.text, json, compress: .always) }
            let sizes = harness.takeFrames().map(\.payload.count)
            let isRight =
                takesOver ? sizes[0] > 100 && sizes[1...].allSatisfy { $0 < 20 } : Set(sizes).count == 1
            #expect(isRight, "\(sizes)")
        }
    }

    // MARK: Fragments

    @Test(
        "§7.2.1 each streamed fragment can be decompressed at once, even an empty one",
        arguments: [
            PerMessageDeflate(),
            PerMessageDeflate(
                serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 9,
                clientMaxWindowBits: 8),
        ], WebSocketRole.allCases)
    func streaming(agreement: PerMessageDeflate, role: WebSocketRole) throws {
        let word = { (index: Int) in Array("fragment \(index) of a message, fragment \(index)\n".utf8) }
        let empty: [UInt8] = []
        let plans: [[[UInt8]]] = [
            [empty, empty], [empty, empty, empty], [word(0), word(1)], [empty, word(0), word(1)], [word(0), empty],
            [word(0), empty, empty, word(1)], [word(0), empty, word(1), empty], [empty, word(0), empty],
            (0..<20).map(word), [DeflateSample.json.bytes(70_000), empty, DeflateSample.json.bytes(70_000)],
        ]
        try withBudget { budget in
            let pair = CompressingPair(agreement, budget: budget, delivery: .chunks)
            // Anew and with something before, again and again.
            for plan in plans + plans {
                for (index, fragment) in plan.enumerated() {
                    let isLast = index == plan.count - 1
                    #expect(
                        try pair.send(
                            from: role, .binary, fragment,
                            index == 0 ? .first : isLast ? .last : .middle))
                    let events = pair[role.peer].takeEvents()
                    let arrived = events.flatMap { event -> [UInt8] in
                        if case .chunk(.binary, let payload, _, _) = event { payload } else { [] }
                    }
                    if arrived != fragment { Issue.record("fragment \(index) of \(plan.map(\.count))") }
                    if isLast {
                        guard case .chunk(_, _, _, isLast: true) = events.last else {
                            Issue.record("no end after \(plan.map(\.count))")
                            return
                        }
                    }
                }
                try pair.exchange(from: role, .text, DeflateSample.text.bytes(300))
            }
        }
    }

    @Test("§7.2.1 the fragments of a message form one DEFLATE stream without its tail")
    func fragmentsForOthers() throws {
        try withBudget { budget in
            let harness = EndpointHarness.compressing(.server, configuration: .compressing(.server, budget))
            let oracle = OracleDecompressor()
            var generator = SplitMix64(seed: 4)
            for _ in 0..<100 {
                var content: [UInt8] = []
                let count = 2 + generator.below(5)
                for index in 0..<count {
                    let part = generator.below(3) == 0 ? [] : DeflateSample.json.bytes(generator.below(400))
                    content += part
                    try harness.send(
                        .text, part, index == 0 ? .first : index == count - 1 ? .last : .middle, compress: .always)
                }
                let frames = harness.takeFrames()
                #expect(frames.map(\.isFinal) == Array(repeating: false, count: count - 1) + [true])
                #expect(try oracle.message(frames.flatMap(\.payload)) == content)
            }
        }
    }

    @Test("§7.2.1 a message never ends with the omitted tail, and is never empty on the wire")
    func noTail() throws {
        try withBudget { budget in
            let harness = EndpointHarness.compressing(.server, configuration: .compressing(.server, budget))
            for sample in DeflateSample.allCases {
                for size in [0, 1, 2, 10, 300, 5000] {
                    try harness.send(.binary, sample.bytes(size), compress: .always)
                    let payload = try #require(harness.takeFrames().first?.payload)
                    #expect(!payload.isEmpty && payload.suffix(4) != [0x00, 0x00, 0xFF, 0xFF])
                }
            }
        }
    }
}

@Suite("RFC 7692 §6.1: which messages are compressed")
struct CompressionChoiceTests {
    private let json = DeflateSample.json.bytes(1000)

    @Test(
        "§6.1 `.automatic` compresses from minimumSize; `.always` and `.never` ignore it",
        arguments: [0, 1, 128, 1000, 1001],
        WebSocketRole.allCases)
    func choice(least: Int, role: WebSocketRole) throws {
        try withBudget { (budget) throws in
            let pair = CompressingPair(budget: budget) { $0.minimumSize = least }
            // Zeros become shorter whatever their number.
            for count in [least - 1, least, least + 1] where count >= 20 {
                let zeros = DeflateSample.zeros.bytes(count)
                #expect(try pair.send(from: role, .binary, zeros, compress: .automatic) == (count >= least))
                #expect(try pair.send(from: role, .binary, zeros, compress: .always))
                #expect(try !pair.send(from: role, .binary, zeros, compress: .never))
                let expected = Array(repeating: RecordedEvent.message(.binary, zeros), count: 3)
                #expect(pair[role.peer].takeEvents() == expected)
            }
        }
    }

    @Test("§6.1 `.automatic` compresses up to maximumSize", arguments: [WebSocketRole.client, .server])
    func greatestSize(role: WebSocketRole) throws {
        #expect(
            CompressionConfiguration.server.maximumSize == 256 << 10 && CompressionConfiguration().maximumSize == nil)
        try withBudget { (budget) throws in
            let pair = CompressingPair(budget: budget) { $0.maximumSize = 1000 }
            for count in [999, 1000, 1001] {
                let zeros = DeflateSample.zeros.bytes(count)
                #expect(try pair.send(from: role, .binary, zeros, compress: .automatic) == (count <= 1000))
                #expect(try pair.send(from: role, .binary, zeros, compress: .always))
                #expect(pair[role.peer].takeEvents() == [.message(.binary, zeros), .message(.binary, zeros)])
            }
        }
    }

    @Test(
        "§6.1 a message that would grow is sent uncompressed, unless `.always`",
        arguments: WebSocketRole.allCases)
    func longer(role: WebSocketRole) throws {
        try withBudget { (budget) throws in
            let pair = CompressingPair(budget: budget) { $0.minimumSize = 0 }
            for content in [[], [0x61], Array("abcdefg".utf8), DeflateSample.random.bytes(900)] {
                #expect(try !pair.send(from: role, .binary, content, compress: .automatic))
                #expect(try pair.send(from: role, .binary, content, compress: .always))
                // Whatever was tried in vain, the messages behind it are right.
                #expect(try pair.send(from: role, .text, json, compress: .automatic))
                #expect(try pair.send(from: role, .text, json, compress: .automatic))
                let expected: [RecordedEvent] = [
                    .message(.binary, content), .message(.binary, content), .message(.text, json),
                    .message(.text, json),
                ]
                #expect(pair[role.peer].takeEvents() == expected)
            }
        }
    }

    @Test("§6.1 data that looks compressed allocates no compressor")
    func incompressible() throws {
        try withBudget { (budget) throws in
            let pair = CompressingPair(budget: budget)
            for count in [1024, 5000, 70_000] {
                for content in [
                    DeflateSample.random.bytes(count), OracleCompressor.message(DeflateSample.json.bytes(9 * count)),
                ] {
                    #expect(try !pair.send(from: .server, .binary, content, compress: .automatic))
                    #expect(budget.bytesInUse == 0)
                }
            }
            for sample in [DeflateSample.json, .text, .zeros] {
                #expect(try pair.send(from: .server, .binary, sample.bytes(5000), compress: .automatic))
            }
        }
    }

    @Test("§6.1 the first fragment decides whether a message is compressed")
    func fragments() throws {
        try withBudget { (budget) throws in
            let pair = CompressingPair(budget: budget)
            // How long it becomes is not known yet: a short beginning is no reason against it.
            #expect(try pair.send(from: .client, .text, Array("short".utf8), .first, compress: .automatic))
            #expect(try pair.send(from: .client, .text, Array("er".utf8), .last, compress: .never))
            #expect(
                try !pair.send(from: .client, .binary, DeflateSample.random.bytes(2000), .first, compress: .automatic))
            #expect(try !pair.send(from: .client, .binary, json, .last, compress: .always))
            #expect(
                pair.server.takeEvents()
                    == [.text("shorter"), .message(.binary, DeflateSample.random.bytes(2000) + json)])
        }
    }

    @Test("§5 nothing is compressed without an agreement, even with `.always`", arguments: WebSocketRole.allCases)
    func noAgreement(role: WebSocketRole) throws {
        let harness = EndpointHarness.open(role)
        #expect(try !harness.send(.text, json, compress: .always))
        #expect(harness.takeFrames().map(\.reserved) == [0])
        #expect(harness.endpoint.compressionAgreement == nil)
    }

    @Test("§6.1 nothing is compressed while the connection is closing")
    func outOfTurn() throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            #expect(throws: Endpoint.SendError.noMessage) {
                try pair.client.send(.text, json, .middle, compress: .always)
            }
            try pair.send(from: .client, .text, json, .first)
            #expect(throws: Endpoint.SendError.insideMessage) { try pair.client.send(.text, json, compress: .always) }
            try pair.send(from: .client, .text, json, .last)
            #expect(pair.server.takeEvents() == [.message(.text, json + json)])
            try pair.exchange(from: .client, .text, json)
            pair.client.close(.normalClosure)
            #expect(throws: Endpoint.SendError.notOpen) { try pair.client.send(.text, json, compress: .always) }
        }
    }

    @Test("The statistics count bytes before and after compression, in both directions")
    func statistics() throws {
        try withBudget { budget in
            let pair = CompressingPair(budget: budget)
            #expect(pair.client.endpoint.compressionStatistics.sentRatio == nil)
            #expect(pair.client.endpoint.compressionStatistics.receivedRatio == nil)
            try pair.send(from: .client, .text, json)
            try pair.send(from: .client, .text, json, compress: .never)
            try pair.send(from: .client, .text, json, .first)
            try pair.send(from: .client, .text, json, .last)
            let sent = pair.client.endpoint.compressionStatistics
            let received = pair.server.endpoint.compressionStatistics
            #expect(sent.sentBytes == 3000 && sent.receivedBytes == 0 && sent.receivedWireBytes == 0)
            #expect(received.receivedBytes == 3000 && received.sentBytes == 0)
            #expect(sent.sentWireBytes == received.receivedWireBytes && sent.sentWireBytes > 0)
            #expect(sent.sentRatio == received.receivedRatio && (sent.sentRatio ?? 0) > 3)
            // What was tried in vain does not count.
            try pair.send(from: .client, .binary, DeflateSample.random.bytes(900), compress: .automatic)
            let unchanged = pair.client.endpoint.compressionStatistics
            #expect(unchanged == sent)
        }
    }
}
