import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

/// A server's graceful shutdown, as its connections see it.
@Suite("Shutting down") struct ShutdownTests {
    static func shutDown(_ simulation: Simulation) {
        simulation.serving.beginShutdown()
        for connection in simulation.loop.connections where connection.owner === simulation.serving {
            connection.shutDown()
        }
    }

    @Test func everybodyIsTold1001() throws {
        let handlers = Collected<String>()
        let simulation = Simulation { routes in
            routes.route("/task") { socket in
                for try await _ in socket {}
                handlers.append("ended")
            }
            routes.routeOnLoop("/loop") { OnLoopEcho() }
        }
        let clients = (0..<10).map { simulation.openRawClient($0.isMultiple(of: 2) ? "/task" : "/loop") }
        Self.shutDown(simulation)
        simulation.run()
        for client in clients {
            #expect(try client.takeFrames().map(\.closeCode) == [1001])
            client.send(.close(1001))
            client.end()
        }
        simulation.run()
        #expect(handlers.count == 5)
        simulation.expectNothingLeft()
    }

    @Test func newConnectionsAreTurnedAway() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let before = simulation.rawClient()
        simulation.run()
        let openBefore = simulation.openRawClient()
        simulation.serving.beginShutdown()
        before.send(.request("/"))
        simulation.run()
        #expect(before.takeText().hasPrefix("HTTP/1.1 503 "))
        // TCP connections that were on their way when the server stopped to listen.
        let late = simulation.rawClient()
        simulation.run()
        #expect(late.isOver)
        openBefore.send(.text("still served"))
        simulation.run()
        #expect(try openBefore.takeFrames().map(\.text) == ["still served"])
    }

    @Test func whoIsInTheOpeningHandshakeIsEnded() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let client = simulation.rawClient()
        client.send(Array(HandshakeText.request("/").bytes.prefix(40)))
        simulation.run()
        Self.shutDown(simulation)
        simulation.run()
        #expect(client.isOver)
        simulation.expectNothingLeft()
    }

    @Test func whoDoesNotAnswerIsEndedAtTheCloseDeadline() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let client = simulation.openRawClient()
        Self.shutDown(simulation)
        simulation.advance(by: .seconds(9))
        #expect(simulation.loop.connections.count == 1)
        simulation.advance(by: .seconds(2))
        #expect(simulation.loop.connections.isEmpty)
        _ = client
    }

    @Test func whoIsIdleIsWaitedFor() throws {
        let mayEnd = Gate()
        let simulation = Simulation { routes in
            routes.route { socket in
                for try await _ in socket {}
                try await mayEnd.wait()
            }
        }
        let client = simulation.openRawClient()
        let waiting = simulation.start { await simulation.serving.waitUntilIdle() }
        Self.shutDown(simulation)
        simulation.run()
        #expect(!waiting.hasEnded, "the connection is open")
        client.send(.close(1001))
        client.end()
        simulation.run()
        #expect(simulation.loop.connections.isEmpty)
        #expect(!waiting.hasEnded, "the handler runs")
        mayEnd.open()
        simulation.run()
        #expect(waiting.hasEnded)
    }
}
