import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Ends that are not clean: silence, violations, the end of TCP at any point (§7.1.7).
@Suite("§7.1.7 connections that end abnormally") struct AbnormalEndTests {
    @Test(
        "§7.1.7 a Close frame without an answer ends the connection at the close deadline",
        arguments: Simulation.Place.allCases)
    func anUnansweredCloseEndsAtItsDeadline(
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
    @Test("§7.1.1 a connection that the peer does not end is ended at the close deadline")
    func anOpenTCPConnectionIsEndedAtItsDeadline() throws {
        let watched = ClosingTests.Watched()
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

    @Test(
        "§7.1.5 the outcome says whether TCP ended inside a frame",
        arguments: [
            ([], false), ([0x81], true), (Array(WireFrame.text("hello").bytes.dropLast()), true),
            (WireFrame.text("half").unfinished.bytes, true), (WireFrame.text("whole").bytes, false),
        ] as [([UInt8], Bool)])
    func theEndOfTCPIsReported(bytes: [UInt8], isInside: Bool) throws {
        let watched = ClosingTests.Watched()
        let simulation = watched.simulation()
        let client = simulation.openRawClient()
        client.send(bytes)
        client.end()
        simulation.run()
        let outcome = try #require(watched.outcomes.values.first)
        #expect(outcome.failure == .endOfStream(insideFrame: isInside), "\(bytes)")
        #expect(outcome.initiator == .peer && outcome.code == .abnormalClosure)
        #expect(watched.errors.values.first?.outcome == outcome)
        simulation.expectNothingLeft()
    }

    /// The peer breaks the protocol: it is told why, and read on from until it has ended TCP.
    @Test("§7.1.7 a protocol violation is reported to the handler and answered with 1002, without a reset")
    func aViolationIsReportedToBothSides() throws {
        let watched = ClosingTests.Watched()
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

    @Test("A close while reading is paused reads on to the peer's Close frame", arguments: Simulation.Place.allCases)
    func closingWhileInboundIsPausedReadsOnForTheAnswer(
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

    @Test(
        "A connection ends once on each side, resumes every waiting task and leaves nothing in memory",
        arguments: 1...100 as ClosedRange<UInt64>)
    func everyConnectionEndsOnce(seed: UInt64) throws {
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
        case 4:
            for connection in simulation.loop.connections where connection.endpoint.pointee.role == .server {
                connection.shutDown()
            }
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
