import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// A connection's turn is bounded, and the others have theirs before it goes on.
@Suite("Turns of connections") struct TurnTests {
    /// Notes in which order the messages of several connections come, on the loop.
    private struct Noting: OnLoopHandler {
        let seen: Collected<Int>

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            seen.append(message.count)
            socket.send(message)
        }
    }

    private static func simulation(_ seen: Collected<Int>, onLoop: Bool) -> Simulation {
        let simulation = Simulation { routes in
            if onLoop {
                routes.routeOnLoop { Noting(seen: seen) }
            } else {
                routes.route { socket in
                    while try await socket.receive({ (message) -> Bool in
                        seen.append(message.count)
                        return socket.enqueue(message) == .sent
                    }) != nil {}
                }
            }
        }
        simulation.link.socketBuffer = 4 << 20
        return simulation
    }

    @Test("A burst of messages does not hold up another connection", arguments: [false, true])
    func aBurstHoldsUpNobody(onLoop: Bool) throws {
        let seen = Collected<Int>()
        let simulation = Self.simulation(seen, onLoop: onLoop)
        let attacker = simulation.openRawClient()
        let victim = simulation.openRawClient()
        // 20,000 messages arrive in one read, and one of the other connection's right behind them.
        attacker.send((0..<20_000).flatMap { _ in WireFrame.binary([1]).bytes })
        victim.send(.binary([1, 2]))
        simulation.run()
        let place = try #require(seen.values.firstIndex(of: 2))
        #expect(place <= 2048, "\(place) messages came before")
        #expect(seen.values.count == 20_001, "none is lost")
        #expect(try attacker.takeFrames().count == 20_000)
        #expect(try victim.takeFrames().count == 1)
    }

    @Test(
        "Connections that wait for a turn share the longest turn",
        arguments: [(rivals: 0, milliseconds: 2.0), (1, 1.0), (19, 0.1)])
    func manyConnectionsHaveShorterTurns(rivals: Int, milliseconds: Double) {
        var budget = WorkBudget()
        budget.begin()
        var now = MonotonicInstant(nanoseconds: 1_000_000_000)
        let start = now
        while !budget.isSpent {
            now = now.advanced(by: .microseconds(20))
            if budget.spend(8 << 10) { budget.takeQuantum(at: now, rivals: rivals) }
        }
        let time = start.duration(to: now) / .milliseconds(1)
        #expect((milliseconds...milliseconds + 0.2).contains(time))
    }

    @Test("Pipelined requests do not hold up another connection")
    func pipelinedRequestsHoldUpNobody() throws {
        let seen = Collected<Int>()
        let answered = Collected<String>()
        let simulation = Simulation { routes in
            routes.routeOnLoop { Noting(seen: seen) }
            routes.respond(to: .get, at: "/page") { request in
                answered.append(request.request.path ?? "")
                return .text("here")
            }
        }
        simulation.link.socketBuffer = 4 << 20
        let attacker = simulation.rawClient()
        let victim = simulation.openRawClient()
        attacker.send(String(repeating: "GET /page HTTP/1.1\r\nHost: a\r\n\r\n", count: 2000))
        victim.send(.binary([1, 2]))
        simulation.network.runOnce()
        simulation.network.runOnce()
        simulation.network.runOnce()
        #expect(seen.values == [2])
        #expect(answered.values.count <= 100, "\(answered.values.count) requests came before")
        simulation.run()
        #expect(answered.values.count == 2000, "none is lost")
    }

    @Test("The end of a connection follows the messages that wait for a turn", arguments: [false, true])
    func theEndFollowsAllMessages(onLoop: Bool) throws {
        let seen = Collected<Int>()
        let simulation = Self.simulation(seen, onLoop: onLoop)
        let client = simulation.openRawClient()
        client.send((0..<5000).flatMap { _ in WireFrame.binary([1]).bytes } + WireFrame.close(1000).bytes)
        client.end()
        simulation.run()
        #expect(seen.values.count == 5000)
        let frames = try client.takeFrames()
        #expect(frames.count == 5001 && frames.last?.closeCode == 1000)
        simulation.expectNothingLeft()
    }

    @Test("A reset drops the input that waits for a turn, and ends the connection at once", arguments: [false, true])
    func aResetDropsWaitingInput(onLoop: Bool) throws {
        let seen = Collected<Int>()
        let simulation = Self.simulation(seen, onLoop: onLoop)
        let client = simulation.openRawClient()
        client.send((0..<20_000).flatMap { _ in WireFrame.binary([1]).bytes })
        while seen.values.isEmpty { simulation.network.runOnce() }
        client.transport.reset()
        simulation.network.runOnce()
        simulation.network.runOnce()
        simulation.network.runOnce()
        #expect(simulation.loop.connections.isEmpty)
        simulation.expectNothingLeft()
    }

    @Test("Reading pauses while input waits for a turn")
    func readingPausesWhileInputWaits() throws {
        let seen = Collected<Int>()
        let simulation = Self.simulation(seen, onLoop: true)
        simulation.link.readSize = .atMost(16 << 10)
        let client = simulation.openRawClient()
        client.send((0..<100_000).flatMap { _ in WireFrame.binary([1]).bytes })
        var most = 0
        while simulation.network.runOnce() > 0 {
            most = max(most, simulation.loop.connections.map(\.held.count).max() ?? 0)
        }
        #expect(seen.values.count == 100_000)
        #expect(most <= 32 << 10, "\(most)")
    }
}
