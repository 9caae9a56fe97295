import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Messages that arrive faster than the application takes them: reading pauses, nothing is lost, memory is bounded.
@Suite("Inbound back-pressure") struct InboundPressureTests {
    static let limits = BufferLimits(inbound: .init(low: 4000, high: 16_000))

    /// A server whose handler receives one message each time it is let.
    final class Slow: Sendable {
        let received = Collected<WebSocketMessage>()
        let mayReceive = Collected<Int>()

        func allow(_ count: Int, _ simulation: Simulation) {
            for number in 0..<count { mayReceive.append(number) }
            simulation.advance(by: .seconds(1))
        }

        func handle(_ socket: WebSocket, _ simulation: Simulation) async throws {
            while true {
                while mayReceive.count <= received.count { await simulation.sleep(for: .milliseconds(10)) }
                guard let message = try await socket.receiveCopy() else { return }
                received.append(message)
            }
        }
    }

    static func slowServer(_ slow: Slow) -> Simulation {
        let box = Collected<Simulation>()
        let simulation = Simulation(observes: true) { configuration in
            configuration.buffers = limits
        } routes: { routes in
            routes.route { [box] socket in try await slow.handle(socket, box.values[0]) }
        }
        simulation.link.socketBuffer = 8000
        box.append(simulation)
        return simulation
    }

    @Test("Reading pauses above the high-water mark, and resumes below the low-water mark")
    func readingPausesAndResumes() throws {
        let never = Gate()
        let server = Collected<WebSocket>()
        let simulation = Simulation(observes: true) { configuration in
            configuration.buffers = Self.limits
        } routes: { routes in
            routes.route { socket in
                server.append(socket)
                try await never.wait()
            }
        }
        simulation.link.socketBuffer = 8000
        let client = simulation.openRawClient()
        for number in 0..<100 { client.send(.binary([UInt8(number)] + Array(repeating: 1, count: 999))) }
        simulation.run()

        let socket = try #require(server.values.first)
        let connection = socket.connection
        // The mark, and what one read brought above it.
        #expect((16_000...25_000).contains(connection.inbox.size), "\(connection.inbox.size)")
        #expect(connection.readingIsPaused)
        #expect(!simulation.serverTransports[0].isReading)
        #expect(simulation.serverEvents.words.last == "reading paused")
        #expect(!client.transport.isWritable, "the peer has been slowed down")

        // Each message that is taken makes room, but reading goes on at the low mark alone.
        var numbers: [UInt8] = []
        while !simulation.serverEvents.words.contains("reading resumed") {
            let message = try simulation.value { try await socket.receiveCopy() }
            numbers.append(try #require(message?.buffer.readableBytesView.first))
        }
        #expect(numbers.count > 12)
        #expect((16_000...25_000).contains(connection.inbox.size), "it has been filled again")
        while numbers.count < 100 {
            let message = try simulation.value { try await socket.receiveCopy() }
            numbers.append(try #require(message?.buffer.readableBytesView.first))
        }
        #expect(numbers == Array(0..<100), "nothing is lost, and all in order")
        #expect(connection.inbox.isEmpty && connection.inbox.size == 0)
        #expect(!connection.readingIsPaused)
    }

    @Test("Empty messages count towards the high-water mark")
    func emptyMessagesCount() throws {
        let never = Gate()
        let simulation = Simulation(observes: true) { configuration in
            configuration.buffers = Self.limits
        } routes: {
            $0.route { _ in try await never.wait() }
        }
        simulation.link.socketBuffer = 600
        let client = simulation.openRawClient()
        client.send((0..<100_000).flatMap { _ in WireFrame.text("").bytes })
        simulation.run()
        let connection = try #require(simulation.loop.connections.first)
        // A read brings at most 100 messages here.
        #expect((16_000...22_500).contains(connection.inbox.size), "\(connection.inbox.size)")
        #expect(connection.readingIsPaused)
    }

    @Test("A message larger than the high-water mark is received")
    func aMessageLargerThanTheMarkIsReceived() throws {
        let simulation = Simulation { configuration in
            configuration.buffers = Self.limits
        } routes: {
            $0.route(handler: echo)
        }
        simulation.link.socketBuffer = 8000
        let message = WebSocketMessage.binary(SplitMix64(seed: 1).prefix(500_000))
        #expect(try SimulatedEchoTests.exchange([message, message], simulation, "/") == [message, message])
        simulation.expectNothingLeft()
    }

    @Test("A slow reader receives every message", arguments: Simulation.Place.allCases, 1...20)
    func aSlowReaderReceivesEverything(place: Simulation.Place, seed: Int) throws {
        let simulation = Simulation(seed: UInt64(seed)) { configuration in
            configuration.buffers = Self.limits
        } routes: { routes in
            routes.route { socket in
                for number in 0..<500 {
                    try await socket.send("\(number)" + String(repeating: ".", count: number))
                }
            }
        }
        simulation.link = SimulatedLink(
            latency: .milliseconds(seed % 3 * 5), socketBuffer: 997 * seed, readSize: .random(300 * seed))
        let lengths = try simulation.value(place) {
            let socket = try await simulation.connect { $0.buffers = Self.limits }
            var lengths: [Int] = []
            for try await message in socket {
                lengths.append(message.buffer.readableBytes)
                if lengths.count.isMultiple(of: seed) { await simulation.sleep(for: .milliseconds(20)) }
            }
            return lengths
        }
        #expect(lengths == (0..<500).map { "\($0)".count + $0 })
        simulation.expectNothingLeft()
    }

    @Test("Messages that arrived before the end are received before the end", arguments: [false, true])
    func messagesComeBeforeTheEnd(isClean: Bool) throws {
        let slow = Slow()
        let simulation = Self.slowServer(slow)
        let client = simulation.openRawClient()
        for _ in 0..<50 { client.send(.binary(Array(repeating: 1, count: 1000))) }
        if isClean { client.send(.close(1000)) }
        client.end()
        simulation.advance(by: .seconds(1))
        #expect(simulation.serverEvents.words.contains("reading paused"))
        slow.allow(51, simulation)
        #expect(slow.received.count == 50)
        let end =
            isClean
            ? "ended cleanly"
            : "ended: abnormal, closed by the peer, the peer ended its side of TCP without a Close frame"
        #expect(simulation.serverEvents.words.contains(end))
        simulation.expectNothingLeft()
    }

    @Test(
        "A connection with a tiny high-water mark receives every message in order",
        arguments: Simulation.Place.allCases, 1...20)
    func aTinyMarkLosesNothing(place: Simulation.Place, seed: Int) throws {
        let simulation = Simulation(seed: UInt64(seed)) { _ in }
        simulation.link = SimulatedLink(socketBuffer: 300 * seed, readSize: .random(200 * seed))
        let (socket, server) = try simulation.openToRawServer {
            $0.buffers = BufferLimits(inbound: .init(low: 1, high: seed * 100))
        }
        for number in 0..<200 {
            let half = String(repeating: "\(number % 10)", count: number)
            server.send(
                WireFrame.text(half).unfinished.unmasked, .ping().unmasked, .continuation("|\(number)").unmasked)
        }
        server.send(WireFrame.close(1000).unmasked)
        server.end()
        let messages = try simulation.value(place) { try await socket.all() }
        #expect(
            messages == (0..<200).map { .text(String(repeating: "\($0 % 10)", count: $0) + "|\($0)") }, "\(seed)")
    }

    @Test("A paused connection does not hold up the other connections of its loop")
    func otherConnectionsContinue() throws {
        let never = Gate()
        let simulation = Simulation { configuration in
            configuration.buffers = Self.limits
        } routes: { routes in
            routes.route("/stuck") { _ in try await never.wait() }
            routes.route("/echo", handler: echo)
        }
        let flooder = simulation.openRawClient("/stuck")
        for _ in 0..<1000 { flooder.send(.binary(Array(repeating: 1, count: 1000))) }
        simulation.run()
        #expect(
            try SimulatedEchoTests.exchange(SimulatedEchoTests.messages, simulation, "/echo")
                == SimulatedEchoTests.messages)
    }
}
