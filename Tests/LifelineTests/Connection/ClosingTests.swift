import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// The closing handshake, seen from both sides (§7).
@Suite("§7 the closing handshake of connections") struct ClosingTests {
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

    @Test(
        "§7.1.1 a close by the client is clean on both sides, and the server ends its side of TCP first",
        arguments: Simulation.Place.allCases)
    func theClientCloses(place: Simulation.Place) throws {
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

    @Test("§7.1.2 a close by the server's handler is clean on both sides", arguments: Simulation.Place.allCases)
    func theServersHandlerCloses(place: Simulation.Place) throws {
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

    @Test(
        "§7.4.1 the end of a handler closes its connection with the code for how it ended",
        arguments: [("/returns", 1000), ("/throws", 1011), ("/cancelled", 1001)] as [(String, UInt16)])
    func aHandlersEndClosesItsConnection(path: String, code: UInt16) throws {
        let simulation = Simulation { routes in
            routes.route("/returns") { try await $0.send("bye") }
            routes.route("/throws") { _ in throw Failure() }
            routes.route("/cancelled") { _ in throw CancellationError() }
        }
        let client = simulation.openRawClient(path)
        #expect(try client.takeFrames().last?.closeCode == code, "\(path)")
        client.send(.close(code))
        client.end()
        simulation.run()
        #expect(client.inputHasEnded)
        simulation.expectNothingLeft()
    }

    @Test("§7.1.2 both sides can close at the same time", arguments: [Duration.zero, .milliseconds(10)])
    func bothSidesCloseAtOnce(latency: Duration) throws {
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

    @Test(
        "§5.5.1 a second close sends no second Close frame, and returns the same outcome",
        arguments: Simulation.Place.allCases)
    func aSecondCloseSendsNothing(place: Simulation.Place) throws {
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

    @Test(
        "§7.4 a close code that may not be sent is refused, and the connection stays open",
        arguments: Simulation.Place.allCases, [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] as [UInt16])
    func aCloseCodeThatMayNotBeSentIsRefused(place: Simulation.Place, code: UInt16) throws {
        let simulation = Watched().simulation()
        let socket = try simulation.open()
        let error = simulation.error(place) { try await socket.close(code: CloseCode(rawValue: code)) }
        #expect(error?.code == .invalidCloseFrame)
        #expect(simulation.loop.connections.count == 2, "nothing has happened")
    }

    @Test(
        "§5.5 a close reason of more than 123 bytes is refused, and the connection stays open",
        arguments: Simulation.Place.allCases)
    func aLongCloseReasonIsRefused(place: Simulation.Place) throws {
        let simulation = Watched().simulation()
        let socket = try simulation.open()
        let error = simulation.error(place) {
            try await socket.close(reason: String(repeating: "ä", count: 62))
        }
        #expect(error?.code == .invalidCloseFrame)
        #expect(simulation.loop.connections.count == 2, "nothing has happened")
    }

    @Test("A send after the end fails with the outcome", arguments: Simulation.Place.allCases)
    func aSendAfterTheEndFails(place: Simulation.Place) throws {
        let simulation = Watched().simulation()
        let socket = try simulation.open()
        let outcome = try simulation.value { try await socket.close() }
        let attempts: [@Sendable () async throws -> Void] = [
            { try await socket.send("text") }, { try await socket.send([1]) },
            { try await socket.send(ByteBuffer(repeating: 1, count: 100_000)) },
            {
                try await socket.send(
                    textFragments: AsyncStream {
                        $0.yield("x")
                        $0.finish()
                    })
            },
            { try await socket.waitUntilWritable() }, { _ = try await socket.ping() },
        ]
        for (number, attempt) in attempts.enumerated() {
            let error = simulation.error(place, of: attempt)
            #expect(error?.code == .closed && error?.outcome == outcome, "\(number)")
        }
        #expect(try simulation.value(place) { try await socket.close() } == outcome)
    }
}
