import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Senders that do not wait: handlers on the loop, and `enqueue`.
@Suite("Sends that do not wait") struct UnwaitedSendTests {
    @Test("An on-loop handler that exceeds maximumOutbound ends its connection")
    func exceedingMaximumOutboundEndsTheConnection() throws {
        let handler = Firehose()
        let simulation = Simulation { configuration in
            configuration.buffers = OutboundPressureTests.limits
        } routes: { routes in
            routes.routeOnLoop("/firehose") { handler }
            routes.routeOnLoop("/echo") { OnLoopEcho() }
        }
        simulation.link.socketBuffer = 4000
        let bystander = simulation.openRawClient("/echo")
        let client = simulation.openRawClient("/firehose")
        client.transport.setReading(false)
        client.send(.text("go"))
        simulation.run()
        let results = handler.results.values
        #expect(results.prefix(4).allSatisfy { $0 == .sent })
        #expect(results.last == .closed, "and no more is taken")
        #expect(results.count { $0 != .closed } < 70, "12 KB on the way, and 50 KB that wait")
        #expect(handler.outcomes.values.count == 1)
        #expect(
            handler.outcomes.values.first?.failure
                == .aborted("the peer reads too slowly: more than 50000 bytes wait (maximumOutbound)"))
        #expect(simulation.loop.connections.count == 1)
        bystander.send(.text("still here"))
        simulation.run()
        #expect(try bystander.takeFrames().map(\.text) == ["still here"])
    }

    @Test("A single message may exceed maximumOutbound")
    func oneMessageMayExceedTheLimit() throws {
        let simulation = Simulation { configuration in
            configuration.buffers = OutboundPressureTests.limits
        } routes: {
            $0.routeOnLoop { OnLoopEcho() }
        }
        simulation.link.socketBuffer = 4000
        let client = simulation.openRawClient()
        for size in [50_001, 200_000] {
            client.transport.setReading(false)
            client.send(.binary(Array(repeating: 1, count: size)))
            simulation.run()
            client.transport.setReading(true)
            simulation.run()
            #expect(try client.takeFrames().map(\.payload.count) == [size])
        }
    }

    @Test("A receive waits while the output of enqueue is above the high-water mark")
    func aReceiveWaitsForEnqueuedOutput() throws {
        let simulation = Simulation { configuration in
            configuration.buffers = OutboundPressureTests.limits
        } routes: {
            $0.route(handler: echoInPlace)
        }
        simulation.link.socketBuffer = 4000
        let client = simulation.openRawClient()
        client.transport.setReading(false)
        for number in 0..<250 { client.send(.binary(Array(repeating: UInt8(number), count: 1000))) }
        simulation.run()
        #expect(simulation.loop.connections.count == 1, "maximumOutbound has not been met")
        #expect(!client.transport.isWritable)
        client.transport.setReading(true)
        simulation.run()
        #expect(try client.takeFrames().map { $0.payload[0] } == Array(0..<250))
    }

    @Test("Messages enqueued from another thread keep their order, and obey maximumOutbound")
    func messagesEnqueuedElsewhereKeepTheirOrder() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let socket = try simulation.open { $0.buffers = OutboundPressureTests.limits }
        let forwarded = simulation.start(.elsewhere) {
            let upstream = try await simulation.connect()
            for number in 0..<20 { try await upstream.send("\(number)") }
            for _ in 0..<20 { _ = try await upstream.receive { socket.enqueue($0) } }
            var answers: [WebSocketMessage] = []
            for _ in 0..<20 { if let answer = try await socket.receiveCopy() { answers.append(answer) } }
            return answers
        }
        simulation.run()
        #expect(try forwarded.value == (0..<20).map { .text("\($0)") })
        simulation.serverTransports[0].setReading(false)
        let flooding = simulation.start(.elsewhere) {
            let upstream = try await simulation.connect()
            for _ in 0..<200 {
                try await upstream.send([UInt8](repeating: 1, count: 1000))
                _ = try await upstream.receive { socket.enqueue($0) }
            }
            return await socket.outcome
        }
        simulation.run()
        #expect(try flooding.value?.failure.map { "\($0)" }?.contains("maximumOutbound") == true)
    }

    @Test("A receive that waits for room ends normally when the peer closes")
    func aReceiveThatWaitsForRoomEnds() throws {
        let ends = Collected<String>()
        let simulation = Simulation { configuration in
            configuration.buffers = OutboundPressureTests.limits
        } routes: { routes in
            routes.route { socket in
                do {
                    try await echoInPlace(socket)
                    ends.append("ended")
                } catch {
                    ends.append("\(error)")
                }
            }
        }
        simulation.link.socketBuffer = 4000
        let client = simulation.openRawClient()
        client.transport.setReading(false)
        client.send((0..<30).flatMap { _ in WireFrame.binary(Array(repeating: 1, count: 1000)).bytes })
        client.send(.close(1000))
        simulation.run()
        #expect(ends.values == ["ended"])
    }

    @Test("writable(_:) is called when the transport takes more")
    func writableIsCalled() throws {
        let handler = Firehose(count: 30)
        let simulation = Simulation { configuration in
            configuration.buffers = OutboundPressureTests.limits
        } routes: {
            $0.routeOnLoop { handler }
        }
        simulation.link.socketBuffer = 4000
        let client = simulation.openRawClient()
        client.transport.setReading(false)
        client.send(.text("go"))
        simulation.run()
        #expect(handler.results.values.last == .sentButFull)
        #expect(handler.writable.isEmpty)
        client.transport.setReading(true)
        simulation.run()
        #expect(handler.writable.count >= 1)
        #expect(try client.takeFrames().count == 30)
    }
}

/// Sends a hundred messages, or another number, when it is told to.
final class Firehose: OnLoopHandler, Sendable {
    let count: Int
    let results = Collected<OnLoopWebSocket.SendResult>()
    let outcomes = Collected<CloseOutcome>()
    let writable = Collected<Bool>()

    init(count: Int = 100) {
        self.count = count
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        for _ in 0..<count { results.append(socket.send(String(repeating: "x", count: 1000))) }
    }

    func writable(_ socket: OnLoopWebSocket) {
        writable.append(socket.isWritable)
    }

    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
        outcomes.append(outcome)
    }
}
