import Testing

@testable import LifelineCore

@Suite("§5.5.2, §5.5.3 Pings and the Pongs that answer them")
struct RoundTripTests {
    private func pong(_ number: UInt64) -> WireFrame {
        WireFrame(opcode: 0xA, payload: PingNumber.payload(number))
    }

    @Test("§5.5.3 a Pong reports which Ping it answers, and the round-trip time", arguments: WebSocketRole.allCases)
    func roundTrip(role: WebSocketRole) throws {
        let harness = EndpointHarness.open(role)
        let number = try harness.ping()
        #expect(harness.takeFrames().map(\.payload) == [PingNumber.payload(number)])
        harness.advance(by: .milliseconds(42))
        harness.receive(pong(number))
        #expect(harness.events == [.pong(PingNumber.payload(number), number: number, roundTrip: .milliseconds(42))])
        let roundTripTime = harness.endpoint.roundTripTime
        #expect(roundTripTime == .milliseconds(42))
    }

    @Test("§5.5.3 a Pong that answers a later Ping answers the earlier ones too")
    func laterAnswersEarlier() throws {
        let server = EndpointHarness.open(.server)
        let first = try server.ping()
        server.advance(by: .milliseconds(10))
        let second = try server.ping()
        server.advance(by: .milliseconds(10))
        let third = try server.ping()
        server.advance(by: .milliseconds(10))
        server.receive(pong(second), pong(first), pong(third), pong(third))
        #expect(
            server.events == [
                .pong(PingNumber.payload(second), number: second, roundTrip: .milliseconds(20)),
                .pong(PingNumber.payload(first), number: nil, roundTrip: nil),
                .pong(PingNumber.payload(third), number: third, roundTrip: .milliseconds(10)),
                .pong(PingNumber.payload(third), number: nil, roundTrip: nil),
            ])
        server.expectOpen()
    }

    @Test("§5.5.3 after a Pong for an earlier Ping, the later one has the full timeout")
    func answerToEarlier() throws {
        let server = HeartbeatTests.server(interval: nil)
        let first = try server.ping()
        server.advance(by: .seconds(3))
        try server.ping()
        server.advance(by: .seconds(1))
        server.receive(pong(first))
        #expect(server.deadline == server.now.advanced(by: .seconds(5)))
    }

    @Test("§5.5.3 a Pong that matches no Ping is unsolicited, whatever its payload")
    func unsolicited() throws {
        let server = EndpointHarness.open(.server)
        let number = try server.ping()
        let payloads: [[UInt8]] = [
            [], [1], PingNumber.payload(number &+ 1), PingNumber.payload(number &- 1),
            Array(PingNumber.payload(number).dropLast()),
            PingNumber.payload(number) + [0], Array(PingNumber.payload(number).reversed()),
        ]
        for payload in payloads where payload != PingNumber.payload(number) {
            server.receive(WireFrame(opcode: 0xA, payload: payload))
            #expect(server.events.last == .pong(payload, number: nil, roundTrip: nil))
        }
        let roundTripTime = server.endpoint.roundTripTime
        #expect(roundTripTime == nil)
    }

    @Test("§5.5.2 Ping numbers start at random, so that a Pong proves that its Ping arrived")
    func unpredictable() throws {
        let first = try (0..<100).map { seed in
            try EndpointHarness.open(.server, seed: UInt64(seed)).ping()
        }
        #expect(Set(first).count == 100)
        #expect(Set(first.map { $0 >> 56 }).count > 50)
    }

    @Test("§5.5.2 Ping numbers are consecutive")
    func consecutive() throws {
        let server = EndpointHarness.open(.server)
        let numbers = try (0..<10).map { _ in try server.ping() }
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 == $0 &+ 1 })
    }

    @Test("§5.5.2 a peer that sends data but no Pongs stays connected until it falls silent")
    func dataWithoutPongs() throws {
        let server = HeartbeatTests.server(interval: .seconds(2), timeout: .seconds(5))
        for _ in 0..<1000 {
            server.advance(by: .seconds(1))
            server.receive(.text("data"))
        }
        server.expectOpen()
        // No more Pings than may wait for an answer.
        #expect(server.takeFrames().count == Heartbeat.maximumOutstanding)
        server.advance(by: .seconds(5) - .nanoseconds(1))
        server.expectOpen()
        server.advance(by: .nanoseconds(1))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("§5.5.2 unwritten Pings do not accumulate")
    func stalledPings() throws {
        let server = HeartbeatTests.server(interval: .seconds(2), timeout: .seconds(5))
        server.isStalled = true
        for _ in 0..<1000 {
            server.advance(by: .seconds(1))
            server.receive(.text("data"))
        }
        server.expectOpen()
        server.isStalled = false
        server.drain()
        let pings = server.takeFrames()
        #expect(pings.map(\.opcode) == [0x9])
        // It is the only one that waits for an answer, too.
        #expect(PingNumber.payload(try server.ping() &- 1) == pings.first?.payload)
    }

    @Test("§5.5.2 the heartbeat keeps an idle connection open for hours over a slow network")
    func quietPair() {
        let pair = EndpointPair(latency: .milliseconds(300))
        pair.run(for: .seconds(4 * 3600))
        for role in [WebSocketRole.client, .server] {
            pair[role].expectOpen()
            let roundTripTime = pair[role].endpoint.roundTripTime
            #expect(roundTripTime == .milliseconds(600))
            let pongs = pair[role].events.filter { if case .pong = $0 { true } else { false } }
            #expect((575...576).contains(pongs.count))
        }
    }

    @Test("§5.5.2 if one direction fails, the endpoint that receives nothing times out")
    func oneDirectionDead() {
        var quiet = EndpointConfiguration.server
        quiet.heartbeat = .disabled
        let pair = EndpointPair(server: quiet, latency: .milliseconds(100))
        pair.run(for: .seconds(60))
        pair.silenced = [.server]
        // An interval at most until the client's next Ping, then the timeout, then the Close frame's way to the server.
        pair.run(for: .seconds(35) + .milliseconds(200))
        #expect(pair.client.outcome?.failure == .heartbeatTimedOut(after: .seconds(10)))
        #expect(pair.server.outcome?.received?.code == .internalError)
        #expect(pair.server.outcome?.initiator == .peer)
    }

    @Test("§5.5.2 if the network fails, both endpoints time out within interval plus timeout")
    func dead() {
        for seed in UInt64(1)...20 {
            let pair = EndpointPair(latency: .milliseconds(100), seed: seed)
            pair.run(for: .seconds(50))
            pair.silenced = [.server, .client]
            pair.run(for: .seconds(35) + .milliseconds(200))
            for role in [WebSocketRole.client, .server] {
                #expect(pair[role].outcome?.failure == .heartbeatTimedOut(after: .seconds(10)))
            }
        }
    }
}
