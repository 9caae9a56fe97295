import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

/// The closing handshake and the end of TCP, seen from both sides (§7).
@Suite("Closing") struct ClosingTests {
    /// A server that records how its connections end, and what its handlers got.
    final class Watched: Sendable {
        let outcomes = Collected<CloseOutcome>()
        let errors = Collected<WebSocketError>()
        let sockets = Collected<WebSocket>()

        func simulation(observes: Bool = false, keepsSockets: Bool = false) -> Simulation {
            Simulation(observes: observes) { routes in
                routes.route { socket in
                    if keepsSockets { self.sockets.append(socket) }
                    do {
                        for try await message in socket { try await socket.send(message) }
                    } catch {
                        if let error = error as? WebSocketError { self.errors.append(error) }
                    }
                    if let outcome = await socket.outcome { self.outcomes.append(outcome) }
                }
            }
        }
    }

    // MARK: Clean ends

    @Test(arguments: Simulation.Place.allCases) func theClientCloses(place: Simulation.Place) throws {
        let watched = Watched()
        let simulation = watched.simulation(observes: true)
        simulation.link.latency = .milliseconds(10)
        let outcome = try simulation.value(place) {
            try await simulation.connect().close(code: .goingAway, reason: "leaving")
        }
        #expect(outcome.isClean && outcome.initiator == .local)
        #expect(outcome.sent?.code == .goingAway && outcome.received?.code == .goingAway)
        let atServer = try #require(watched.outcomes.values.first)
        #expect(atServer.isClean && atServer.initiator == .peer)
        #expect(atServer.code == .goingAway && atServer.reason == "leaving")
        #expect(watched.errors.isEmpty)
        // The server ends TCP first (§7.1.1).
        let ends = (simulation.serverEvents.events + simulation.clientEvents.events)
            .filter { $0.kind.word == "output ended" }.sorted { $0.instant < $1.instant }
        #expect(ends.map(\.role) == [.server, .client])
        simulation.expectNothingLeft()
    }

    @Test(arguments: Simulation.Place.allCases) func theServersHandlerCloses(place: Simulation.Place) throws {
        let watched = Watched()
        let simulation = Simulation { routes in
            routes.route { socket in
                let outcome = try await socket.close(code: CloseCode(rawValue: 4000), reason: "enough")
                watched.outcomes.append(outcome)
            }
        }
        let error = simulation.error(place) { try await simulation.connect().all() }
        #expect(error?.code == .closed)
        #expect(error?.outcome?.isClean == true && error?.outcome?.initiator == .peer)
        #expect(error?.outcome?.code.rawValue == 4000 && error?.outcome?.reason == "enough")
        let atServer = try #require(watched.outcomes.values.first)
        #expect(atServer.isClean && atServer.initiator == .local && atServer.code.rawValue == 4000)
        simulation.expectNothingLeft()
    }

    struct Failure: Error {}

    @Test func aHandlersEndClosesItsConnection() throws {
        let simulation = Simulation { routes in
            routes.route("/returns") { try await $0.send("bye") }
            routes.route("/throws") { _ in throw Failure() }
            routes.route("/cancelled") { _ in throw CancellationError() }
        }
        for (path, code) in [("/returns", 1000), ("/throws", 1011), ("/cancelled", 1001)] as [(String, UInt16)] {
            let client = simulation.openRawClient(path)
            #expect(try client.takeFrames().last?.closeCode == code, "\(path)")
            client.send(.close(code))
            client.end()
            simulation.run()
            #expect(client.inputHasEnded)
        }
        simulation.expectNothingLeft()
    }

    @Test(arguments: [Duration.zero, .milliseconds(10)]) func bothSidesCloseAtOnce(latency: Duration) throws {
        let watched = Watched()
        let simulation = watched.simulation(keepsSockets: true)
        simulation.link.latency = latency
        let socket = Collected<WebSocket>()
        let client = simulation.start {
            let opened = try await simulation.connect()
            socket.append(opened)
            await simulation.sleep(for: .seconds(1))
            return try await opened.close(code: .normalClosure, reason: "client")
        }
        simulation.advance(by: .milliseconds(900))
        let server = simulation.start {
            await simulation.sleep(for: .milliseconds(100) + latency)
            return try await watched.sockets.values[0].close(code: .goingAway, reason: "server")
        }
        simulation.advance(by: .seconds(5))
        let (atClient, atServer) = (try client.value, try server.value)
        #expect(atClient.isClean && atServer.isClean)
        if latency > .zero {
            #expect(atClient.initiator == .both && atServer.initiator == .both)
            #expect(atClient.reason == "server" && atServer.reason == "client")
        }
        #expect(simulation.loop.connections.isEmpty)
    }

    @Test(arguments: Simulation.Place.allCases) func closingTwiceIsClosingOnce(place: Simulation.Place) throws {
        let simulation = Watched().simulation(observes: true)
        let outcomes = try simulation.value(place) {
            let socket = try await simulation.connect()
            async let first = socket.close(code: .goingAway)
            async let second = socket.close(code: .normalClosure)
            let third = try await [first, second]
            return third + [try await socket.close(code: .internalError)]
        }
        #expect(Set(outcomes).count == 1)
        #expect(simulation.clientEvents.words.count { $0.hasPrefix("→ close") } == 1)
        simulation.expectNothingLeft()
    }

    @Test(arguments: Simulation.Place.allCases) func whatCannotBeSentIsRefused(place: Simulation.Place) throws {
        let simulation = Watched().simulation()
        let socket = try simulation.open()
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] as [UInt16] {
            let error = simulation.error(place) { try await socket.close(code: CloseCode(rawValue: code)) }
            #expect(error?.code == .invalidCloseFrame, "\(code)")
        }
        let error = simulation.error(place) {
            try await socket.close(reason: String(repeating: "ä", count: 62))
        }
        #expect(error?.code == .invalidCloseFrame)
        #expect(simulation.loop.connections.count == 2, "nothing has happened")
    }

    @Test(arguments: Simulation.Place.allCases) func afterTheEndNothingCanBeSent(place: Simulation.Place) throws {
        let simulation = Watched().simulation()
        let socket = try simulation.open()
        let outcome = try simulation.value { try await socket.close() }
        let attempts: [@Sendable () async throws -> Void] = [
            { try await socket.send("text") }, { try await socket.send([1]) },
            { try await socket.send(ByteBuffer(repeating: 1, count: 100_000)) },
            { try await socket.send(textFragments: AsyncStream { $0.yield("x"); $0.finish() }) },
            { try await socket.writable() }, { _ = try await socket.ping() },
        ]
        for (number, attempt) in attempts.enumerated() {
            let error = simulation.error(place, of: attempt)
            #expect(error?.code == .closed && error?.outcome == outcome, "\(number)")
        }
        #expect(try simulation.value(place) { try await socket.close() } == outcome)
    }

    // MARK: Ends that are not clean

    @Test(arguments: Simulation.Place.allCases) func aCloseThatIsNotAnsweredEndsAtItsDeadline(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let closing = simulation.start(place) { try await socket.close(code: .goingAway) }
        let pinging = simulation.start(place) { try await socket.ping() }
        simulation.advance(by: .seconds(9))
        server.send(WireFrame.text("not an answer").unmasked, .ping().unmasked)
        simulation.run()
        #expect(!closing.hasEnded)
        simulation.advance(by: .seconds(2))
        let outcome = try closing.value
        #expect(outcome.failure == .closeTimedOut(after: .seconds(10)))
        #expect(outcome.initiator == .local && outcome.sent?.code == .goingAway)
        #expect(pinging.error?.code == .closed)
        #expect(try server.takeFrames().map(\.opcode) == [8], "nothing is sent after Close (§5.5.1)")
    }

    /// The peer answers the Close frame, but never ends TCP.
    @Test func tcpThatIsNotEndedIsEndedAtItsDeadline() throws {
        let watched = Watched()
        let simulation = watched.simulation()
        let client = simulation.openRawClient()
        client.send(.close(1000))
        simulation.advance(by: .seconds(9))
        #expect(watched.outcomes.values.first?.isClean == true)
        #expect(client.inputHasEnded && simulation.loop.connections.count == 1)
        simulation.advance(by: .seconds(2))
        #expect(simulation.loop.connections.isEmpty)
        #expect(client.isTerminated || client.inputHasEnded)
    }

    @Test func theEndOfTCPInsideAFrameIsTold() throws {
        for (bytes, isInside) in [
            ([], false), ([0x81], true), (WireFrame.text("hello").bytes.dropLast(), true),
            (WireFrame.text("half").unfinished.bytes, true), (WireFrame.text("whole").bytes, false),
        ] as [([UInt8], Bool)] {
            let watched = Watched()
            let simulation = watched.simulation()
            let client = simulation.openRawClient()
            client.send(Array(bytes))
            client.end()
            simulation.run()
            let outcome = try #require(watched.outcomes.values.first)
            #expect(outcome.failure == .endOfStream(insideFrame: isInside), "\(bytes)")
            #expect(outcome.initiator == .peer && outcome.code == .abnormalClosure)
            #expect(watched.errors.values.first?.outcome == outcome)
            simulation.expectNothingLeft()
        }
    }

    /// The peer breaks the protocol: it is told why, and read on from until it has ended TCP.
    @Test func aViolationIsToldToBothSides() throws {
        let watched = Watched()
        let simulation = watched.simulation()
        let client = simulation.openRawClient()
        client.send(WireFrame.text("unmasked").unmasked, .text("ignored"))
        simulation.run()
        #expect(try client.takeFrames().map(\.closeCode) == [1002])
        #expect(client.inputHasEnded && !client.wasReset)
        #expect(watched.errors.values.first?.outcome?.failure.map { "\($0)" }?.contains("masked") == true)
        client.send(Array(repeating: 0, count: 100_000))
        simulation.run()
        #expect(!client.wasReset, "a reset could overtake the Close frame")
        client.end()
        simulation.run()
        simulation.expectNothingLeft()
    }

    @Test(arguments: Simulation.Place.allCases) func closingWhileInboundIsPausedReadsOnForTheAnswer(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        for _ in 0..<100 { server.send(WireFrame.binary(Array(repeating: 1, count: 10_000)).unmasked) }
        simulation.run()
        #expect(socket.connection.readingIsPaused)
        let closing = simulation.start(place) { try await socket.close() }
        simulation.run()
        server.send(WireFrame.close(1000).unmasked)
        server.end()
        simulation.run()
        #expect(try closing.value.isClean)
        // What arrived before is still there for who wants it.
        #expect(try simulation.value(place) { try await socket.all() }.count >= 6)
    }

    // MARK: Whatever happens

    /// Exactly one outcome on each side, every waiter resumed, nothing left in memory.
    @Test func howeverAConnectionEndsItEndsOnceAndForAll() throws {
        for seed in 1...150 {
            try endSomehow(seed: UInt64(seed))
        }
    }

    private func endSomehow(seed: UInt64) throws {
        var random = SplitMix64(seed: seed &* 977)
        let counts = Collected<String>()
        let simulation = Simulation(seed: seed, observes: true) { configuration in
            configuration.buffers = BufferLimits(
                inbound: .init(low: 1000, high: 3000), outbound: .init(low: 1000, high: 3000))
        } routes: { routes in
            routes.route { socket in
                defer { counts.append("handler") }
                for try await message in socket { try await socket.send(message) }
            }
        }
        simulation.link = SimulatedLink(
            latency: .milliseconds(Int.random(in: 1...20, using: &random)),
            socketBuffer: .random(in: 100...20_000, using: &random), readSize: .random(2000))
        let places = Simulation.Place.allCases
        let end = Int.random(in: 0...6, using: &random)
        let tasks = try startChatter(simulation, places[Int(seed % 2)], counts)
        simulation.advance(by: .milliseconds(.random(in: 0...300, using: &random)))
        switch end {
        case 0: simulation.clientTransports[0].reset()
        case 1: simulation.serverTransports[0].reset()
        case 2:
            simulation.clientTransports[0].cut()
            simulation.serverTransports[0].cut()
        case 3: simulation.serverTransports[0].cut()
        case 4: for connection in simulation.loop.connections where connection.id == 1 { connection.shutDown() }
        case 5: for connection in simulation.loop.connections { connection.abort("the test's end") }
        default: for connection in simulation.loop.connections { connection.close(CloseFrame(.normalClosure, "")) }
        }
        simulation.advance(by: .seconds(1000))
        #expect(tasks.map(\.hasEnded) == tasks.map { _ in true }, "seed \(seed), end \(end)")
        #expect(counts.values.last(where: { $0 == "handler" }) != nil, "seed \(seed), end \(end)")
        for events in [simulation.serverEvents, simulation.clientEvents] {
            for kind in ["ended", "TCP ended"] {
                #expect(events.words.count { $0.hasPrefix(kind) } == 1, "\(kind), seed \(seed), end \(end)")
            }
        }
        simulation.expectNothingLeft()
    }

    /// A client that sends, receives, pings and streams, all at once.
    private func startChatter(
        _ simulation: Simulation, _ place: Simulation.Place, _ counts: Collected<String>
    ) throws -> [Running<Void>] {
        let opened = simulation.start(place) { try await simulation.connect() }
        simulation.advance(by: .seconds(1))
        let socket = try opened.value
        opened.forget()
        return [
            simulation.start(place) {
                for number in 0..<1000 { try await socket.send([UInt8](repeating: 1, count: number * 7)) }
            },
            simulation.start(place) { for try await _ in socket { counts.append("message") } },
            simulation.start(place) { while true { _ = try await socket.ping() } },
            simulation.start(.elsewhere) { while true { try await socket.send("another sender") } },
            simulation.start(place) { _ = try await socket.receiveCopy() },
        ]
    }
}
