import Testing

@testable import LifelineCore

@Suite("§5.5.2 the heartbeat")
struct HeartbeatTests {
    /// An open server with a heartbeat of its own, at the instant of its opening.
    static func server(
        interval: Duration? = .seconds(20), timeout: Duration = .seconds(5), seed: UInt64 = 1
    ) -> EndpointHarness {
        var configuration = EndpointConfiguration.server
        configuration.heartbeat = HeartbeatConfiguration(interval: interval, timeout: timeout)
        return .open(.server, configuration: configuration, seed: seed)
    }

    /// Lets time pass until a Ping has been sent, and returns its payload.
    static func advanceToPing(
        _ harness: EndpointHarness, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [UInt8] {
        for _ in 0..<100 {
            harness.advance(to: try #require(harness.deadline, sourceLocation: sourceLocation))
            if let ping = harness.takeFrames().first(where: { $0.opcode == 0x9 }) { return ping.payload }
        }
        Issue.record("no Ping is sent", sourceLocation: sourceLocation)
        return []
    }

    @Test("The first Ping is sent in the second half of the interval, and evenly spread over it")
    func firstPing() throws {
        let seeds = TestScale.rounds(debug: 1000, release: 20_000)
        var tenths = Array(repeating: 0, count: 10)
        for seed in 0..<seeds {
            let server = Self.server(seed: UInt64(seed))
            let delay = server.now.duration(to: try #require(server.deadline))
            #expect(delay >= .seconds(10) && delay < .seconds(20))
            tenths[Int((delay - .seconds(10)) / .seconds(1))] += 1
        }
        // Connections that open together do not ping together.
        #expect(tenths.allSatisfy { $0 > seeds / 10 * 7 / 10 && $0 < seeds / 10 * 13 / 10 }, "\(tenths)")
    }

    @Test("The first Ping of a client, too, is sent in the second half of the interval")
    func firstPingOfClient() throws {
        for seed in 0..<100 {
            let client = EndpointHarness.open(.client, seed: UInt64(seed))
            let delay = client.now.duration(to: try #require(client.deadline))
            #expect(delay >= .seconds(12.5) && delay < .seconds(25))
        }
    }

    @Test("One Ping is sent per interval while the peer answers")
    func interval() throws {
        let server = Self.server()
        var payload = try Self.advanceToPing(server)
        for _ in 0..<50 {
            let sentAt = server.now
            server.receive(WireFrame(opcode: 0xA, payload: payload))
            payload = try Self.advanceToPing(server)
            #expect(sentAt.duration(to: server.now) == .seconds(20))
        }
        server.expectOpen()
    }

    @Test("A peer that is silent after a Ping times out exactly at its deadline")
    func silence() throws {
        let server = Self.server()
        _ = try Self.advanceToPing(server)
        server.advance(by: .seconds(5) - .nanoseconds(1))
        server.expectOpen()
        server.advance(by: .nanoseconds(1))
        #expect(server.phase == .ending)
        let outcome = try #require(server.outcome)
        #expect(outcome.failure == .heartbeatTimedOut(after: .seconds(5)))
        #expect(outcome.initiator == .local && outcome.received == nil)
        #expect(outcome.code == .abnormalClosure && !outcome.isClean)
        // The Close frame tells the reason to a peer that is still reachable. The close timeout ends TCP.
        #expect(server.takeFrames() == [.close(1011, "no answer to a Ping within 5.0 seconds")])
        #expect(outcome.sent?.code == .internalError)
        #expect(server.transportRequest == .shutdownOutput)
        server.advance(by: .seconds(10))
        #expect(server.phase == .closed)
        #expect(server.transportRequest == .abort)
        #expect(server.deadline == nil && !server.hasOutput)
        #expect(server.outcome == outcome)
    }

    @Test("Nothing more is received after the heartbeat has ended the connection")
    func inputAfterTheTimeout() throws {
        let server = Self.server()
        _ = try Self.advanceToPing(server)
        server.advance(by: .seconds(5))
        let outcome = try #require(server.outcome)
        _ = server.takeEvents()
        server.receive(.text("too late"))
        server.receive(.close(1000))
        #expect(server.outcome == outcome)
        #expect(server.takeEvents().allSatisfy { if case .message = $0 { false } else { true } })
        server.receiveEnd()
        #expect(server.phase == .closed)
    }

    @Test("Any byte restarts the timeout, even half a header")
    func anyByte() throws {
        let server = Self.server()
        _ = try Self.advanceToPing(server)
        for byte in WireFrame.text("slowly").bytes(from: .client).prefix(8) {
            server.advance(by: .seconds(4.5))
            server.receive([byte])
        }
        server.expectOpen()
        server.advance(by: .seconds(5) - .nanoseconds(1))
        server.expectOpen()
        server.advance(by: .nanoseconds(1))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("A byte received before the Ping does not extend its deadline")
    func byteBeforePing() throws {
        let server = Self.server()
        let ping = try #require(server.deadline)
        server.advance(to: MonotonicInstant(nanoseconds: ping.nanoseconds - 1))
        server.receive(.text("just before"))
        _ = try Self.advanceToPing(server)
        server.advance(by: .seconds(5))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("An empty read does not extend the deadline")
    func emptyRead() throws {
        let server = Self.server()
        _ = try Self.advanceToPing(server)
        server.advance(by: .seconds(4))
        server.receive([])
        server.advance(by: .seconds(1))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("A Pong cancels the deadline until the next Ping")
    func pongEndsTheWait() throws {
        let server = Self.server()
        let payload = try Self.advanceToPing(server)
        let sentAt = server.now
        server.advance(by: .seconds(1))
        server.receive(WireFrame(opcode: 0xA, payload: payload))
        #expect(server.deadline == sentAt.advanced(by: .seconds(20)))
        server.advance(by: .seconds(18))
        server.expectOpen()
    }

    @Test("The timeout does not run while reading is paused, and restarts afterwards")
    func pausedInput() throws {
        let server = Self.server(interval: .seconds(20), timeout: .seconds(5))
        _ = try Self.advanceToPing(server)
        server.advance(by: .seconds(4))
        server.endpoint.setInputPaused(true, at: server.now)
        server.advance(by: .seconds(100))
        server.expectOpen()
        server.endpoint.setInputPaused(false, at: server.now)
        server.advance(by: .seconds(5) - .nanoseconds(1))
        server.expectOpen()
        server.advance(by: .nanoseconds(1))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("Pings are sent while reading is paused, and answered afterwards")
    func pingsWhilePaused() throws {
        let server = Self.server()
        server.endpoint.setInputPaused(true, at: server.now)
        let first = try Self.advanceToPing(server)
        let second = try Self.advanceToPing(server)
        server.endpoint.setInputPaused(false, at: server.now)
        server.receive(WireFrame(opcode: 0xA, payload: first), WireFrame(opcode: 0xA, payload: second))
        server.advance(by: .seconds(6))
        server.expectOpen()
    }

    @Test("Pausing has no effect while no Pong is awaited")
    func pausedWithoutPing() throws {
        let server = Self.server()
        let ping = server.deadline
        for isPaused in [true, true, false, false] { server.endpoint.setInputPaused(isPaused, at: server.now) }
        #expect(server.deadline == ping)
    }

    @Test("A pause set before the connection opens remains in effect")
    func pausedBeforeOpening() throws {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.bytes)
        server.endpoint.setInputPaused(true, at: server.now)
        server.answerByTheRules()
        server.advance(by: .seconds(100))
        server.expectOpen()
        server.endpoint.setInputPaused(false, at: server.now)
        server.advance(by: .seconds(10))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(10)))
    }

    @Test("A late driver sends one Ping, not one per missed interval")
    func lateDriver() throws {
        let server = Self.server()
        server.endpoint.setInputPaused(true, at: server.now)
        server.now = server.now.advanced(by: .seconds(95))
        server.endpoint.advance(to: server.now)
        server.drain()
        #expect(server.takeFrames().count == 1)
        #expect(server.deadline == server.now.advanced(by: .seconds(20)))
    }

    @Test("A late driver reads what has arrived before the timeout applies")
    func lateVerdict() throws {
        let server = Self.server()
        _ = try Self.advanceToPing(server)
        // The loop was busy past the deadline, and reads first.
        server.now = server.now.advanced(by: .seconds(7))
        server.receive(.text("alive all the time"))
        server.advance(by: .zero)
        server.expectOpen()
        #expect(server.deadline == server.now.advanced(by: .seconds(5)))
    }

    @Test("A disabled heartbeat has no deadline")
    func disabled() {
        var configuration = EndpointConfiguration.server
        configuration.heartbeat = .disabled
        let server = EndpointHarness.open(.server, configuration: configuration)
        #expect(server.deadline == nil)
        server.advance(by: .seconds(86_400))
        server.expectOpen()
        #expect(server.output.isEmpty)
    }

    @Test("With the heartbeat disabled, an application's Ping still has a deadline")
    func applicationPing() throws {
        let server = Self.server(interval: nil)
        try server.ping()
        #expect(server.deadline == server.now.advanced(by: .seconds(5)))
        server.advance(by: .seconds(5))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("Later Pings do not extend the first one's deadline")
    func laterPings() throws {
        let server = Self.server(interval: nil)
        try server.ping()
        for _ in 0..<4 {
            server.advance(by: .seconds(1))
            try server.ping()
        }
        server.advance(by: .seconds(1) - .nanoseconds(1))
        server.expectOpen()
        server.advance(by: .nanoseconds(1))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(5)))
    }

    @Test("The closing handshake ends the heartbeat")
    func closing() throws {
        let server = Self.server()
        _ = try Self.advanceToPing(server)
        server.close(.goingAway)
        #expect(server.deadline == server.now.advanced(by: .seconds(10)))
        server.advance(by: .seconds(9))
        #expect(server.phase == .closing)
        #expect(server.takeFrames().map(\.opcode) == [0x8])
    }
}
