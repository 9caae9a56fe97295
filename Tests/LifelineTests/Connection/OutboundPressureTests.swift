import LifelineCore
import LifelineTesting
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

    @Test("A send waits above the high-water mark", arguments: Simulation.Place.allCases)
    func sendWaitsAboveTheMark(place: Simulation.Place) throws {
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
        #expect(socket.connection.output.capacity == 0)
        client.transport.setReading(true)
        simulation.run()
        #expect(sending.hasEnded)
        let frames = try client.takeFrames()
        #expect(frames.map { $0.payload[0] } == Array(0..<100))
    }

    @Test("Waiting sends continue in the order in which they began")
    func waitingSendsKeepTheirOrder() throws {
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

    @Test("Waiting sends fail when the connection ends", arguments: Simulation.Place.allCases)
    func waitingSendsFailWhenTheConnectionEnds(
        place: Simulation.Place
    ) throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = (0..<5).map { _ in
            simulation.start(place) { try await socket.send([UInt8](repeating: 0, count: 20_000)) }
        }
        let waiting = simulation.start(place) { try await socket.waitUntilWritable() }
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

    @Test(
        "Waiting sends fail when this side closes, and the Close frame follows what was sent",
        arguments: Simulation.Place.allCases)
    func waitingSendsFailWhenThisSideCloses(place: Simulation.Place) throws {
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

    @Test(
        "A Close frame that cannot be sent ends the connection at the close deadline",
        arguments: Simulation.Place.allCases)
    func aCloseThatCannotBeSentEndsAtItsDeadline(
        place: Simulation.Place
    ) throws {
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

    @Test("An answer to a Close frame that cannot be sent ends the connection at the close deadline")
    func anAnswerToACloseThatCannotBeSentEndsAtItsDeadline() throws {
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

    @Test("A cancelled send takes back its own message only", arguments: Simulation.Place.allCases)
    func aCancelledSendTakesBackItsMessage(place: Simulation.Place) throws {
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

    @Test("A send in a cancelled task sends its message or throws, never both", arguments: Simulation.Place.allCases)
    func aSendInACancelledTaskIsConsistent(
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

    // MARK: A peer that takes nothing

    @Test("A peer that sends but never reads is disconnected after stallTimeout")
    func aPeerThatNeverReadsIsDisconnected() throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = simulation.start {
            for _ in 0..<100 { try await socket.send([UInt8](repeating: 1, count: 1000)) }
        }
        simulation.run()
        for _ in 0..<12 {
            #expect(!sending.hasEnded)
            client.send(.ping("still here"))
            simulation.advance(by: .seconds(5))
        }
        simulation.advance(by: .seconds(2))
        #expect(throws: WebSocketError.self) { try sending.value }
        let outcome = try #require(socket.handle.outcome)
        #expect(outcome.failure.map { "\($0)" }?.contains("stallTimeout") == true, "\(outcome)")
    }

    @Test("A peer that reads slowly stays connected")
    func aSlowPeerStaysConnected() throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = simulation.start {
            for _ in 0..<100 { try await socket.send([UInt8](repeating: 1, count: 1000)) }
        }
        simulation.run()
        var rounds = 0
        while !sending.hasEnded, rounds < 100 {
            for _ in 0..<10 {
                client.send(.ping("still here"))
                simulation.advance(by: .seconds(5))
            }
            client.transport.setReading(true)
            simulation.run()
            client.transport.setReading(false)
            rounds += 1
        }
        #expect(throws: Never.self) { try sending.value }
        #expect(socket.handle.outcome == nil)
    }

    @Test("A peer that reads again before stallTimeout stays connected")
    func aPeerThatReadsAgainStaysConnected() throws {
        let (simulation, client, socket) = try Self.stalled()
        let sending = simulation.start { try await socket.send([UInt8](repeating: 1, count: 20_000)) }
        simulation.run()
        for _ in 0..<4 {
            client.send(.ping("1"))
            simulation.advance(by: .seconds(5))
        }
        client.transport.setReading(true)
        simulation.run()
        #expect(sending.hasEnded)
        client.send(.ping("2"))
        for _ in 0..<40 {
            simulation.advance(by: .seconds(5))
            client.send(.ping("3"))
        }
        #expect(socket.handle.outcome == nil)
    }

    @Test("§5.5.3 at most one Pong waits for a peer that does not read")
    func waitingPongsAreBounded() throws {
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
