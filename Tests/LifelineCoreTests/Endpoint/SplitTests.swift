import HTTPTypes
import Testing

@testable import LifelineCore

/// The promise of determinism: the same bytes give the same events, wherever they are split.
@Suite("Bytes give the same events wherever they are split")
struct SplitTests {
    /// An endpoint at its first byte.
    private func endpoint(_ role: WebSocketRole) -> EndpointHarness {
        let harness = role == .server ? EndpointHarness(server: .server) : .client()
        _ = harness.takeOutput()
        return harness
    }

    /// All that the peer sends, handshake and all.
    private func input(_ role: WebSocketRole, _ transcript: Transcript) -> [UInt8] {
        (role == .server ? HandshakeText.request.bytes : EndpointHarness.answerToFirstSeed)
            + transcript.frames.bytes(from: role.peer)
    }

    private func check(
        _ harness: EndpointHarness, _ transcript: Transcript, _ context: @autoclosure () -> String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        if harness.role == .server { _ = harness.takeMessage(sourceLocation: sourceLocation) }
        let sent = harness.takeFrames(sourceLocation: sourceLocation)
        let isRight =
            harness.events.dropFirst().elementsEqual(transcript.events) && sent.last?.closeCode == transcript.sentCode
            && harness.phase == .ending
        if !isRight {
            Issue.record("\(transcript.name), \(context()): \(harness.events)", sourceLocation: sourceLocation)
        }
    }

    @Test(
        "Each transcript gives the expected events when it arrives whole", arguments: Transcript.all,
        WebSocketRole.allCases)
    func onePiece(_ transcript: Transcript, role: WebSocketRole) {
        let harness = endpoint(role)
        harness.receive(input(role, transcript))
        #expect(Array(harness.events.dropFirst()) == transcript.events)
        check(harness, transcript, "one piece")
    }

    @Test(
        "Splitting the input in two at any offset, handshake included, changes no event", arguments: Transcript.all,
        WebSocketRole.allCases)
    func everyOffset(_ transcript: Transcript, role: WebSocketRole) {
        let bytes = input(role, transcript)
        for split in 0...bytes.count {
            let harness = endpoint(role)
            harness.receive(bytes, splitAt: [split])
            check(harness, transcript, "\(role) split at \(split)")
        }
    }

    @Test("Input that arrives byte by byte gives the same events", arguments: Transcript.all, WebSocketRole.allCases)
    func byteByByte(_ transcript: Transcript, role: WebSocketRole) {
        let harness = endpoint(role)
        harness.receiveByteByByte(input(role, transcript))
        check(harness, transcript, "\(role) byte by byte")
    }

    @Test("Input in random chunks gives the same events", arguments: Transcript.all, WebSocketRole.allCases)
    func randomPieces(_ transcript: Transcript, role: WebSocketRole) {
        var generator = SplitMix64(seed: 1918)
        let bytes = input(role, transcript)
        for round in 0..<TestScale.rounds(debug: 20, release: 2000) {
            let harness = endpoint(role)
            let splits = (0..<generator.below(12)).map { _ in generator.below(bytes.count + 1) }.sorted()
            harness.receive(bytes, splitAt: splits)
            check(harness, transcript, "\(role), round \(round), split at \(splits)")
        }
    }

    @Test("Joined chunks equal the whole message", arguments: WebSocketRole.allCases)
    func chunks(role: WebSocketRole) {
        var generator = SplitMix64(seed: 1919)
        let expected = Transcript.rich.events
        let bytes = Transcript.rich.frames.bytes(from: role.peer)
        var splits = (0...bytes.count).map { [$0] } + [Array(1..<bytes.count)]
        splits += (0..<100).map { _ in (0..<10).map { _ in generator.below(bytes.count + 1) }.sorted() }
        for split in splits {
            let harness = EndpointHarness.open(role, delivery: .chunks)
            harness.receive(bytes, splitAt: split)
            if harness.events.withChunksJoined != expected { Issue.record("\(role) split at \(split)") }
        }
    }

    @Test("Each message has exactly one first and one last chunk")
    func chunkPositions() {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        server.receiveByteByByte(Transcript.rich.frames.bytes(from: .client))
        var isInside = false
        for case .chunk(_, let bytes, let isFirst, let isLast) in server.events {
            #expect(isFirst == !isInside)
            #expect(!bytes.isEmpty || isLast)
            isInside = !isLast
        }
        #expect(!isInside)
    }

    @Test(
        "A violation gives the same code when messages are delivered in chunks", arguments: Transcript.invalid,
        [true, false])
    func violationsInChunks(_ transcript: Transcript, isBytewise: Bool) {
        let server = EndpointHarness.open(.server, delivery: .chunks)
        let bytes = transcript.frames.bytes(from: .client)
        if isBytewise { server.receiveByteByByte(bytes) } else { server.receive(bytes) }
        #expect(server.takeFrames().last?.closeCode == transcript.sentCode)
        #expect(server.events.last == .closed)
    }

    @Test("Reported headers do not depend on how the bytes are split")
    func reportedFrames() {
        func events(splitAt splits: [Int]) -> [RecordedEvent] {
            let server = EndpointHarness.open(.server)
            server.endpoint.reportsFrames = true
            server.receive(Transcript.rich.frames.bytes(from: .client), splitAt: splits)
            return server.events
        }
        let expected = events(splitAt: [])
        let count = Transcript.rich.frames.bytes(from: .client).count
        #expect(expected.count == Transcript.rich.events.count + Transcript.rich.frames.count - 1)
        for split in 0...count where events(splitAt: [split]) != expected { Issue.record("split at \(split)") }
        #expect(events(splitAt: Array(1..<count)) == expected)
    }

    @Test("The same seed and input give identical output")
    func determinism() {
        func output() -> [UInt8] {
            let client = endpoint(.client)
            client.receive(input(.client, .rich))
            return client.takeOutput()
        }
        #expect(output() == output())
    }
}
