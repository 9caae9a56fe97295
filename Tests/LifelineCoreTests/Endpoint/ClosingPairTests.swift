import Testing

@testable import LifelineCore

/// Both sides at once, with a network between them.
@Suite("§7 the closing handshake between two endpoints")
struct ClosingPairTests {
    private func openPair(latency: Duration = .milliseconds(20), seed: UInt64 = 1) -> EndpointPair {
        let pair = EndpointPair(latency: latency, seed: seed, splitsRandomly: true)
        pair.settle()
        #expect(pair.client.phase == .open && pair.server.phase == .open)
        return pair
    }

    private func expectClosed(_ pair: EndpointPair, sourceLocation: SourceLocation = #_sourceLocation) {
        for role in [WebSocketRole.client, .server] {
            #expect(pair[role].phase == .closed, sourceLocation: sourceLocation)
            #expect(pair[role].outcome?.isClean == true, sourceLocation: sourceLocation)
            #expect(pair[role].takeEvents().filter { $0 == .closed }.count == 1, sourceLocation: sourceLocation)
        }
    }

    @Test("§7.1.2 both endpoints report who began, both codes and both reasons", arguments: [true, false])
    func begunByOneSide(_ isByClient: Bool) {
        let initiator = isByClient ? WebSocketRole.client : .server
        for seed in UInt64(1)...20 {
            let pair = openPair(seed: seed)
            pair[initiator].close(CloseCode(rawValue: 4321), "enough")
            pair.settle()
            expectClosed(pair)
            let here = pair[initiator].outcome
            let there = pair[initiator.peer].outcome
            #expect(here?.initiator == .local && there?.initiator == .peer)
            #expect(here?.sent?.reason == "enough" && there?.reason == "enough")
            #expect(here?.code.rawValue == 4321 && there?.code.rawValue == 4321)
        }
    }

    @Test("§7.1.1 a clean close takes one and a half round trips")
    func duration() {
        let pair = openPair(latency: .milliseconds(20))
        let start = pair.now
        pair.client.close(.normalClosure)
        pair.settle()
        expectClosed(pair)
        // The Close frame there, its answer and the end of the stream back, the end of the stream there.
        #expect(start.duration(to: pair.now) == .milliseconds(60))
    }

    @Test("§5.5.1 simultaneous closes give both endpoints a clean outcome with both codes")
    func simultaneous() {
        for seed in UInt64(1)...20 {
            let pair = openPair(seed: seed)
            pair.client.close(.goingAway, "the page is left")
            pair.server.close(.serviceRestart, "the server restarts")
            pair.settle()
            expectClosed(pair)
            #expect(pair.client.outcome?.initiator == .both && pair.server.outcome?.initiator == .both)
            #expect(
                pair.client.outcome?.code == .serviceRestart && pair.client.outcome?.reason == "the server restarts")
            #expect(pair.server.outcome?.code == .goingAway && pair.server.outcome?.reason == "the page is left")
        }
    }

    @Test("§5.5.1 simultaneous closes with equal codes are clean; the initiator is unknown")
    func simultaneousWithSameCode() {
        let pair = openPair()
        pair.client.close(.normalClosure)
        pair.server.close(.normalClosure)
        pair.settle()
        expectClosed(pair)
        #expect(pair.client.outcome?.initiator != .peer && pair.server.outcome?.initiator != .peer)
    }

    @Test("§5.5.1 if the peer's Close arrives before ours is written, both began")
    func closeNotWritten() {
        let server = EndpointHarness.open(.server)
        server.isStalled = true
        server.close(.normalClosure)
        server.receive(.close(1000))
        #expect(server.outcome?.initiator == .both)
        server.isStalled = false
        server.drain()
        #expect(server.takeFrames().map(\.closeCode) == [1000])
    }

    @Test("§5.5.1 no data in flight is lost when the closing handshake begins")
    func dataInFlight() throws {
        let pair = openPair()
        try pair.server.send(.text, Array("sent before its Close".utf8))
        try pair.client.send(.text, Array("sent before Close".utf8))
        pair.client.close(.normalClosure)
        pair.settle()
        #expect(pair.server.events.contains(.text("sent before Close")))
        #expect(pair.client.events.contains(.text("sent before its Close")))
        expectClosed(pair)
    }

    @Test("§7.1 a closing handshake with a dead peer ends at the deadline")
    func peerIsGone() {
        let pair = openPair()
        pair.silenced = [.server]
        pair.client.close(.normalClosure)
        pair.run(for: .seconds(10))
        #expect(pair.client.outcome?.failure == .closeTimedOut(after: .seconds(10)))
        #expect(pair.server.outcome?.isClean == true, "the server got the Close frame, and answered it")
        #expect(pair.client.phase == .closed)
        pair.run(for: .seconds(1))
        #expect(pair.server.phase == .closed)
    }

    @Test("§7.1.7 a violation reaches the peer as a Close frame with its code, and both endpoints close")
    func violation() {
        let pair = openPair()
        pair.client.write(WireFrame(opcode: 0x3, payload: []).bytes(from: .client))
        pair.settle()
        #expect(pair.server.outcome?.isClean == false)
        #expect(pair.client.outcome?.code == .protocolError)
        #expect(pair.client.outcome?.reason == "opcode 0x3 is reserved (RFC 6455 §5.2)")
        #expect(pair.client.phase == .closed && pair.server.phase == .closed)
    }

    @Test("§6 messages of every size arrive unchanged in both directions, however they are split")
    func conversation() throws {
        for seed in UInt64(1)...10 {
            let pair = openPair(seed: seed)
            var generator = SplitMix64(seed: seed)
            var sent: [WebSocketRole: [RecordedEvent]] = [.client: [], .server: []]
            for _ in 0..<30 {
                let role = generator.below(2) == 0 ? WebSocketRole.client : .server
                let payload = generator.bytes([0, 1, 125, 126, 600][generator.below(5)])
                if generator.below(3) == 0 {
                    let cut = generator.below(payload.count + 1)
                    try pair[role].send(.binary, Array(payload[..<cut]), .first)
                    try pair[role].send(.binary, Array(payload[cut...]), .last)
                } else {
                    try pair[role].send(.binary, payload)
                }
                sent[role, default: []].append(.binary(payload))
                pair.settle()
            }
            for role in [WebSocketRole.client, .server] {
                let received = pair[role].events.filter { if case .message = $0 { true } else { false } }
                #expect(received == sent[role.peer])
            }
        }
    }
}
