import LifelineCore
import NIOCore
import Synchronization
import Testing

@testable import Lifeline

/// A peer that does not read: senders wait, memory is bounded, and others notice nothing.
@Suite("Outbound back-pressure") struct OutboundPressureTests {
    static let limits = BufferLimits(outbound: .init(low: 2000, high: 8000), maximumOutbound: 50_000)

    /// A server whose handler does nothing, and its socket; the peer does not read.
    static func stalled(
        _ seed: UInt64 = 1, socketBuffer: Int = 4000
    ) throws -> (simulation: Simulation, client: RawPeer, socket: WebSocket) {
        let never = Gate()
        let server = Collected<WebSocket>()
        let simulation = Simulation(seed: seed) { configuration in
            configuration.buffers = limits
        } routes: { routes in
            routes.route { socket in
                server.append(socket)
                try await never.wait()
            }
        }
        simulation.link.socketBuffer = socketBuffer
        let client = simulation.openRawClient()
        client.transport.setReading(false)
        return (simulation, client, try #require(server.values.first))
    }

    @Test(arguments: Simulation.Place.allCases) func sendWaitsAboveTheMark(place: Simulation.Place) throws {
        let (simulation, client, socket) = try Self.stalled()
        let sent = Collected<Int>()
        let sending = simulation.start(place) {
            for number in 0..<100 {
                try await socket.send([UInt8](repeating: UInt8(number), count: 1000))
                sent.append(number)
            }
        }
        simulation.run()
        // At most what the network holds, the mark, and one message above it.
        #expect((8...13).contains(sent.count), "\(sent.count)")
        #expect(socket.connection.output.readableBytes == 0)
        client.transport.setReading(true)
        simulation.run()
        #expect(sending.hasEnded)
        let frames = try client.takeFrames()
        #expect(frames.map { $0.payload[0] } == Array(0..<100))
    }

    @Test func severalSendersGoOnInTheirOrder() throws {
        let (simulation, client, socket) = try Self.stalled()
        for number in 0..<60 {
            let place = number.isMultiple(of: 2) ? Simulation.Place.onLoop : .elsewhere
            _ = simulation.start(place) {
                try await socket.send([UInt8](repeating: UInt8(number), count: 1000))
            }
            simulation.run()
        }
        client.transport.setReading(true)
        simulation.run()
        #expect(try client.takeFrames().map { $0.payload[0] } == Array(0..<60))
    }

    @Test(arguments: Simulation.Place.allCases) func waitingSendsFailWhenTheConnectionEnds(place: Simulation.Place) throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = (0..<5).map { _ in
            simulation.start(place) { try await socket.send([UInt8](repeating: 0, count: 20_000)) }
        }
        let waiting = simulation.start(place) { try await socket.writable() }
        simulation.run()
        #expect(sending.map(\.hasEnded) == [true, false, false, false, false])
        client.transport.reset()
        simulation.run()
        for error in sending[1...].map(\.error) + [waiting.error] {
            #expect(error?.code == .closed)
            #expect(error?.outcome?.failure == .transport("the peer reset the connection"))
        }
        #expect(sending[0].hasEnded && sending[0].error == nil)
    }

    @Test(arguments: Simulation.Place.allCases) func waitingSendsFailWhenThisSideCloses(place: Simulation.Place) throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = (0..<3).map { _ in
            simulation.start(place) { try await socket.send([UInt8](repeating: 0, count: 20_000)) }
        }
        simulation.run()
        let closing = simulation.start(place) { try await socket.close(code: .goingAway) }
        simulation.run()
        #expect(sending.map(\.error?.code) == [nil, .closed, .closed])
        #expect(!closing.hasEnded)
        client.transport.setReading(true)
        client.send(.close(1001))
        client.end()
        simulation.run()
        let outcome = try closing.value
        #expect(outcome.isClean, "\(outcome)")
        #expect(try client.takeFrames().map(\.opcode) == [2, 8], "the Close frame goes behind what was sent")
    }

    /// The Close frame cannot go out, so its answer cannot come.
    @Test(arguments: Simulation.Place.allCases) func aCloseThatCannotBeSentEndsAtItsDeadline(place: Simulation.Place) throws {
        let (simulation, client, socket) = try Self.stalled()
        _ = simulation.start { try await socket.send([UInt8](repeating: 0, count: 100_000)) }
        simulation.run()
        let closing = simulation.start(place) { try await socket.close() }
        simulation.advance(by: .seconds(9))
        #expect(!closing.hasEnded)
        simulation.advance(by: .seconds(2))
        #expect(try closing.value.failure == .closeTimedOut(after: .seconds(10)))
        #expect(simulation.loop.connections.isEmpty)
        _ = client
    }

    /// The peer closes, and takes nothing more: its answer cannot be written.
    @Test func anAnswerToACloseThatCannotBeSentEndsAtItsDeadline() throws {
        let (simulation, client, socket) = try Self.stalled()
        _ = simulation.start { try await socket.send([UInt8](repeating: 0, count: 100_000)) }
        simulation.run()
        client.send(.close(1000, "done"))
        simulation.run()
        #expect(try simulation.value { await socket.outcome }?.isClean == true)
        #expect(simulation.loop.connections.count == 1)
        simulation.advance(by: .seconds(11))
        #expect(simulation.loop.connections.isEmpty)
    }

    @Test(arguments: Simulation.Place.allCases)
    func cancellingAWaitingSendTakesBackThatMessageAlone(place: Simulation.Place) throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = (0..<30).map { number in
            simulation.start(place) { try await socket.send([UInt8](repeating: UInt8(number), count: 1000)) }
        }
        simulation.run()
        for number in [20, 29, 25] { sending[number].cancel() }
        simulation.run()
        for number in 0..<30 {
            #expect(sending[number].error?.code == ([20, 25, 29].contains(number) ? .cancelled : nil), "\(number)")
        }
        client.transport.setReading(true)
        simulation.run()
        let numbers = try client.takeFrames().map { Int($0.payload[0]) }
        #expect(numbers == Array(0..<30).filter { ![20, 25, 29].contains($0) })
    }

    @Test(arguments: Simulation.Place.allCases) func aTaskThatWasCancelledBeforeSendsWhereItNeedNotWait(
        place: Simulation.Place
    ) throws {
        let (simulation, client, socket) = try Self.stalled()
        client.transport.setReading(true)
        let sending = simulation.start(place) {
            withUnsafeCurrentTask { $0?.cancel() }
            do {
                try await socket.send("hello")
                return true
            } catch let error as WebSocketError where error.code == .cancelled {
                return false
            }
        }
        simulation.run()
        // Either is right, so long as what was said is true.
        #expect(try client.takeFrames().map(\.text) == (sending.value ? ["hello"] : []))
    }

    // MARK: Senders that do not wait

    @Test func anOnLoopHandlerThatSendsTooMuchEndsTheConnection() throws {
        let handler = Firehose()
        let simulation = Simulation { configuration in
            configuration.buffers = Self.limits
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
                == .aborted("the peer does not read: more than 50000 bytes wait (maximumOutbound)"))
        #expect(simulation.loop.connections.count == 1)
        bystander.send(.text("still here"))
        simulation.run()
        #expect(try bystander.takeFrames().map(\.text) == ["still here"])
    }

    /// `enqueue` does not wait, but the next `receive` does.
    @Test func echoingWithoutWaitingIsBoundedAllTheSame() throws {
        let simulation = Simulation { configuration in
            configuration.buffers = Self.limits
        } routes: { $0.route(handler: echoInPlace) }
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

    /// The end is told after everything that came before it, also to who waits for room.
    @Test func aConversationThatEndsWhileItWaitsForRoomEndsAsOthers() throws {
        let ends = Collected<String>()
        let simulation = Simulation { configuration in
            configuration.buffers = Self.limits
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

    @Test func aHandlerIsToldWhenTheTransportTakesMore() throws {
        let handler = Firehose(count: 30)
        let simulation = Simulation { configuration in
            configuration.buffers = Self.limits
        } routes: { $0.routeOnLoop { handler } }
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

    // MARK: Control frames

    /// At most one Pong waits, the latest (§5.5.3).
    @Test func pingsWithoutEndWhosePongsAreNotReadAreBounded() throws {
        let (simulation, client, socket) = try Self.stalled(socketBuffer: 64 << 10)
        let batch = (0..<1000).flatMap { _ in WireFrame.ping("0123456789").bytes }
        for _ in 0..<100 {
            client.send(batch)
            simulation.run()
        }
        client.send(.ping("last"))
        simulation.run()
        #expect(socket.connection.output.capacity == 0)
        #expect(simulation.serverTransports[0].pendingBytes <= 8000 + 2 * (64 << 10))
        client.transport.setReading(true)
        simulation.run()
        let pongs = try client.takeFrames()
        #expect(pongs.last?.text == "last")
        #expect(pongs.count < 15_000, "\(pongs.count) of 100001")
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
