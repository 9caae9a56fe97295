import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Control frames, the heartbeat and the closing handshake run on the loop, whatever the application does.
@Suite("§5.5.2 liveness") struct LivenessTests {
    /// A server whose handler waits for what never comes.
    static func busyServer(observes: Bool = false) -> Simulation {
        let never = Gate()
        return Simulation(observes: observes) { $0.route { _ in try await never.wait() } }
    }

    // MARK: While the application is busy

    @Test("§5.5.2 a Ping is answered while the handler is busy")
    func pingsAreAnsweredWhileTheHandlerIsBusy() throws {
        let simulation = Self.busyServer()
        let client = simulation.openRawClient()
        for number in 0..<10 {
            client.send(.text("nobody reads this"), .ping("\(number)"))
            simulation.run()
            #expect(try client.takeFrames() == [.pong("\(number)").unmasked])
        }
    }

    @Test("§5.5.2 a ping to a busy peer returns the round-trip time", arguments: Simulation.Place.allCases)
    func aBusyPeerAnswersAPing(place: Simulation.Place) throws {
        let simulation = Self.busyServer()
        simulation.link.latency = .milliseconds(20)
        let time = try simulation.value(place) {
            let socket = try await simulation.connect()
            let time = try await socket.ping()
            #expect(await socket.roundTripTime == time)
            try await socket.close()
            return time
        }
        #expect(time == .milliseconds(40))
    }

    @Test("§7 the closing handshake completes while the handler is busy")
    func theClosingHandshakeRunsWhileTheHandlerIsBusy() throws {
        let simulation = Self.busyServer()
        let outcome = try simulation.value {
            try await simulation.connect().close(code: .goingAway, reason: "lunch")
        }
        #expect(outcome.isClean)
        #expect(outcome.initiator == .local)
        #expect(outcome.code == .goingAway)
        #expect(simulation.loop.connections.isEmpty)
    }

    @Test("The heartbeat keeps a connection open for hours on which no task receives")
    func aConnectionWithoutReceiverStaysOpen() throws {
        let simulation = Self.busyServer(observes: true)
        simulation.link.latency = .milliseconds(50)
        let socket = try simulation.open()
        simulation.advance(by: .seconds(12 * 3600))
        #expect(try simulation.value { await socket.outcome } == nil)
        let roundTrips = simulation.serverEvents.words.count { $0 == "round trip" }
        // One in 25 s, less the rounding of deadlines.
        #expect((1690...1729).contains(roundTrips), "\(roundTrips)")
        #expect(simulation.serverEvents.words.filter { $0.hasPrefix("ended") } == [])
    }

    @Test("The heartbeat keeps a connection open for hours whose handler only sends")
    func aConnectionThatOnlySendsStaysOpen() throws {
        let tick = Collected<Int>()
        let simulation = Simulation { routes in
            routes.route { socket in
                for number in 0..<3 {
                    _ = try await socket.ping()
                    tick.append(number)
                    try await socket.send("\(number)")
                    try await Gate().wait()
                }
            }
        }
        let client = simulation.start {
            let socket = try await simulation.connect()
            return try await socket.receiveCopy()
        }
        simulation.advance(by: .seconds(5 * 3600))
        #expect(try client.value == .text("0"))
        #expect(simulation.loop.connections.count == 2)
    }

    // MARK: Dead peers

    @Test("The heartbeat detects a dead peer while the application is busy", arguments: Simulation.Place.allCases)
    func aDeadPeerIsDetected(place: Simulation.Place) throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let outcome = simulation.start(place) {
            let socket = try await simulation.connect()
            while await socket.outcome == nil { await simulation.sleep(for: .seconds(1)) }
            return await socket.outcome
        }
        simulation.run()
        simulation.clientTransports[0].cut()
        simulation.serverTransports[0].cut()
        simulation.advance(by: .seconds(22))
        #expect(!outcome.hasEnded, "no Ping has been sent for 10 s yet")
        simulation.advance(by: .seconds(15))
        let found = try outcome.value
        #expect(found?.failure == .heartbeatTimedOut(after: .seconds(10)))
        #expect(found?.initiator == .local)
        #expect(found?.code == .abnormalClosure)
        // The close timeout.
        simulation.advance(by: .seconds(10))
        #expect(simulation.loop.connections.isEmpty, "the server has found it too")
    }

    @Test("Every waiting task fails when the heartbeat detects a dead peer", arguments: Simulation.Place.allCases)
    func waitingTasksFailWhenThePeerIsDead(place: Simulation.Place) throws {
        let simulation = Simulation { $0.route { _ in try await Gate().wait() } }
        simulation.link.socketBuffer = 1000
        let socket = try simulation.open()
        simulation.clientTransports[0].cut()
        let sending = (0..<3).map { _ in
            simulation.start(place) { try await socket.send([UInt8](repeating: 0, count: 200_000)) }
        }
        let receiving = simulation.start(place) { try await socket.receiveCopy() }
        let pinging = simulation.start(place) { try await socket.ping() }
        let waiting = simulation.start(place) { try await socket.waitUntilWritable() }
        simulation.advance(by: .seconds(5))
        #expect(sending.map(\.hasEnded) == [true, false, false], "the first one goes into the buffers")
        #expect(!receiving.hasEnded && !pinging.hasEnded && !waiting.hasEnded)
        simulation.advance(by: .seconds(40))
        for error in sending[1...].map(\.error) + [receiving.error, pinging.error, waiting.error] {
            #expect(error?.code == .closed)
            #expect(error?.outcome?.failure == .heartbeatTimedOut(after: .seconds(10)))
        }
    }

    @Test("A connection with a disabled heartbeat does not detect a dead peer")
    func aDisabledHeartbeatDetectsNothing() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let socket = try simulation.open { $0.endpoint.heartbeat = .disabled }
        simulation.clientTransports[0].cut()
        simulation.serverTransports[0].cut()
        simulation.advance(by: .seconds(3600))
        #expect(try simulation.value { await socket.outcome } == nil)
    }

    // MARK: Signs of life

    /// A peer in the middle of a large message need not be able to answer a Ping (§5.5.2 asks for it "as soon as is
    /// practical").
    @Test("Any byte from the peer counts as a sign of life")
    func anyByteCountsAsLife() throws {
        let simulation = Self.busyServer()
        let client = simulation.openRawClient()
        var message = WireFrame.binary([])
        message.declaredLength = 1 << 20
        client.send(message)
        for _ in 0..<200 {
            simulation.advance(by: .seconds(5))
            client.send([0])
        }
        simulation.advance(by: .seconds(1))
        #expect(simulation.loop.connections.count == 1)
        #expect(try client.takeFrames().allSatisfy { $0.opcode == 0x9 })
        simulation.advance(by: .seconds(40))
        #expect(simulation.loop.connections.isEmpty, "silence does not")
    }

    @Test(
        "A ping that is never answered times out, and the connection stays open", arguments: Simulation.Place.allCases)
    func anUnansweredPingTimesOut(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let pinging = simulation.start(place) { try await socket.ping() }
        for _ in 0..<8 {
            simulation.advance(by: .seconds(2))
            server.send(WireFrame.text("something else").unmasked)
        }
        #expect(!pinging.hasEnded)
        for _ in 0..<5 {
            server.send(WireFrame.text("something else").unmasked)
            simulation.advance(by: .seconds(1))
        }
        #expect(pinging.error?.code == .timedOut)
        #expect(simulation.loop.connections.count == 1)
    }

    /// Our Ping may wait behind much that the peer reads slowly: so long as it reads, it lives.
    @Test("The heartbeat keeps a peer that reads slowly, and ends one that stops reading")
    func aSlowReaderStaysConnected() throws {
        let simulation = Simulation { routes in
            routes.route { socket in
                _ = try await socket.receiveCopy()
                for _ in 0..<100 { try await socket.send([UInt8](repeating: 1, count: 30_000)) }
            }
        }
        simulation.link.socketBuffer = 10_000
        simulation.link.readSize = .atMost(10_000)
        let client = simulation.openRawClient()
        client.send(.text("go"))
        for _ in 0..<60 {
            client.transport.setReading(false)
            simulation.advance(by: .seconds(4))
            client.transport.setReading(true)
            simulation.network.runOnce()
        }
        #expect(simulation.loop.connections.count == 1)
        client.transport.setReading(false)
        simulation.advance(by: .seconds(60))
        #expect(simulation.loop.connections.isEmpty, "who stops reading does not")
    }

    @Test("The heartbeat does not time out while reading is paused")
    func silenceIsAllowedWhileReadingIsPaused() throws {
        let mayRead = Gate()
        let received = Collected<Int>()
        let simulation = Simulation(observes: true) { routes in
            routes.route { socket in
                try await mayRead.wait()
                for try await message in socket { received.append(message.buffer.readableBytes) }
            }
        }
        simulation.link.socketBuffer = 10_000
        let client = simulation.openRawClient()
        for _ in 0..<200 { client.send(.binary(Array(repeating: 1, count: 1000))) }
        simulation.advance(by: .seconds(3600))
        #expect(simulation.serverEvents.words.contains("reading paused"))
        #expect(simulation.loop.connections.count == 1, "it would have pinged in vain 140 times")
        mayRead.open()
        simulation.advance(by: .seconds(5))
        #expect(received.values == Array(repeating: 1000, count: 200))
        // From here on the peer must answer again.
        simulation.advance(by: .seconds(60))
        #expect(simulation.loop.connections.isEmpty)
        #expect(simulation.serverEvents.words.contains { $0.hasPrefix("ended: abnormal") && $0.contains("heartbeat") })
    }
}
