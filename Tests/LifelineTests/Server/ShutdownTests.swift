import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

/// A server's graceful shutdown, as its connections see it.
@Suite("The shutdown of a server") struct ShutdownTests {
    @Test("§7.4.1 a shutdown closes open connections with 1001")
    func openConnectionsAreClosedWith1001() throws {
        let handlers = Collected<String>()
        let simulation = Simulation { routes in
            routes.route("/task") { socket in
                for try await _ in socket {}
                handlers.append("ended")
            }
            routes.routeOnLoop("/loop") { OnLoopEcho() }
        }
        let clients = (0..<10).map { simulation.openRawClient($0.isMultiple(of: 2) ? "/task" : "/loop") }
        let shutdown = simulation.shutDown()
        simulation.run()
        for client in clients {
            #expect(try client.takeFrames().map(\.closeCode) == [1001])
            client.send(.close(1001))
            client.end()
        }
        simulation.run()
        #expect(handlers.count == 5)
        #expect(shutdown.hasEnded)
        simulation.expectNothingLeft()
    }

    @Test("A server that shuts down refuses new connections, and serves the open ones")
    func newConnectionsAreRefused() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let before = simulation.rawClient()
        simulation.run()
        let openBefore = simulation.openRawClient()
        simulation.runtime.beginShutdown()
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

    @Test("A shutdown ends connections in the opening handshake")
    func unfinishedHandshakesAreEnded() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let client = simulation.rawClient()
        client.send(Array(HandshakeText.request("/").bytes.prefix(40)))
        simulation.run()
        let shutdown = simulation.shutDown()
        simulation.run()
        #expect(client.isOver)
        #expect(shutdown.hasEnded)
        simulation.expectNothingLeft()
    }

    @Test("A shutdown ends a connection without an answer to its Close frame at the close deadline")
    func unansweredClosesEndAtTheDeadline() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let client = simulation.openRawClient()
        let shutdown = simulation.shutDown()
        simulation.advance(by: .seconds(9))
        #expect(simulation.loop.connections.count == 1)
        #expect(!shutdown.hasEnded)
        simulation.advance(by: .seconds(2))
        #expect(simulation.loop.connections.isEmpty)
        #expect(shutdown.hasEnded)
        _ = client
    }

    @Test("A shutdown waits for connections and for handlers")
    func aShutdownWaitsForHandlers() throws {
        let mayEnd = Gate()
        let simulation = Simulation { routes in
            routes.route { socket in
                for try await _ in socket {}
                try await mayEnd.wait()
            }
        }
        let client = simulation.openRawClient()
        let waiting = simulation.start { await simulation.runtime.waitUntilIdle() }
        let shutdown = simulation.shutDown()
        simulation.run()
        #expect(!waiting.hasEnded && !shutdown.hasEnded, "the connection is open")
        client.send(.close(1001))
        client.end()
        simulation.run()
        #expect(simulation.loop.connections.isEmpty)
        #expect(!waiting.hasEnded && !shutdown.hasEnded, "the handler runs")
        mayEnd.open()
        simulation.run()
        #expect(waiting.hasEnded && shutdown.hasEnded)
    }
}
