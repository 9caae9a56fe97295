import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// What one turn produces leaves in one write, in order, and an idle connection holds no memory for it.
@Suite("Coalesced writes") struct CorkingTests {
    @Test("The answers to one read leave in one write", arguments: SimulatedEchoTests.handlers)
    func answersLeaveInOneWrite(path: String) throws {
        let simulation = SimulatedEchoTests.simulation()
        let client = simulation.openRawClient(path)
        let server = simulation.serverTransports[0]
        let before = server.flushes
        client.send((0..<200).flatMap { WireFrame.text("\($0)").bytes + WireFrame.ping("\($0)").bytes })
        simulation.run()
        #expect(server.flushes == before + 1)
        let frames = try client.takeFrames()
        #expect(frames.filter { $0.opcode == 1 }.map(\.text) == (0..<200).map { "\($0)" })
        #expect(frames.filter { $0.opcode == 0xA }.map(\.text) == (0..<200).map { "\($0)" })
    }

    @Test("The Pongs for one read leave in one write")
    func pongsLeaveInOneWrite() throws {
        let simulation = LivenessTests.busyServer()
        let client = simulation.openRawClient()
        let before = simulation.serverTransports[0].flushes
        client.send((0..<100).flatMap { WireFrame.ping("\($0)").bytes })
        simulation.run()
        #expect(simulation.serverTransports[0].flushes == before + 1)
        #expect(try client.takeFrames().map(\.text) == (0..<100).map { "\($0)" })
    }

    @Test("Messages that a task sends before it waits leave in one write")
    func aTasksMessagesLeaveInOneWrite() throws {
        let simulation = Simulation { routes in
            routes.route { socket in
                for number in 0..<50 { try await socket.send("\(number)") }
                _ = try await socket.receiveCopy()
            }
        }
        let client = simulation.openRawClient()
        #expect(simulation.serverTransports[0].flushes == 1, "the 101, and all messages behind it")
        #expect(try client.takeFrames().count == 50)
    }

    @Test("Large output is written before the turn ends")
    func largeOutputIsWrittenBeforeTheTurnEnds() throws {
        let most = Collected<Int>()
        let simulation = Simulation { routes in
            routes.route { socket in
                for _ in 0..<1000 {
                    try await socket.send([UInt8](repeating: 1, count: 1000))
                    most.append(socket.connection.output.count)
                }
            }
        }
        let client = simulation.openRawClient()
        #expect(try client.takeFrames().count == 1001)
        #expect((most.values.max() ?? 0) < 64 << 10)
    }

    @Test("An idle connection holds no buffers", arguments: SimulatedEchoTests.handlers)
    func anIdleConnectionHoldsNoBuffers(path: String) throws {
        let simulation = SimulatedEchoTests.simulation()
        let client = simulation.openRawClient(path)
        client.send(
            .binary(Array(repeating: 1, count: 100_000)), .text("half a message").unfinished, .continuation("."))
        simulation.run()
        let connection = try #require(simulation.loop.connections.first)
        #expect(connection.output.capacity == 0)
        #expect(connection.inbox.isEmpty && connection.inbox.size == 0)
        #expect(connection.input.isEmpty)
        #expect(connection.held.capacity == 0)
        #expect(!client.bytes.isEmpty)
    }

    static let sizesAndBuffers: [(size: Int, buffer: Int)] = [1000, 60_000, 70_000, 140_000].flatMap { size in
        [4000, 100_000, 1 << 20].map { (size, $0) }
    }

    // MARK: When the transport reports back in the middle

    /// A frame whose payload is handed over where it lies: nothing may come between its header and its payload, whatever
    /// is ready to go out the moment the transport takes more.
    @Test("§5.2 no other frame comes between a header and its payload", arguments: 65_505...65_520)
    func aHeaderAndItsPayloadStayTogether(size: Int) throws {
        let server = Collected<WebSocket>()
        let never = Gate()
        let simulation = Simulation { routes in
            routes.route { socket in
                server.append(socket)
                try await never.wait()
            }
        }
        simulation.link.socketBuffer = 100_000
        let client = simulation.openRawClient()
        client.transport.setReading(false)
        let socket = try #require(server.values.first)
        // The network and the transport are full …
        _ = simulation.start { try await socket.send(ByteBuffer(repeating: 0, count: 240_000)) }
        simulation.run()
        // … and behind that wait a message that just fills a write, and others.
        let filler = Array(repeating: ByteBuffer(repeating: 1, count: 16_000), count: 4)
        for message in filler + [
            ByteBuffer(repeating: 1, count: size - 64_000), ByteBuffer(repeating: 2, count: 20_000),
            ByteBuffer(repeating: 3, count: 100), ByteBuffer(repeating: 4, count: 100),
        ] {
            _ = simulation.start { try await socket.send(message) }
        }
        client.send(.ping("p"))
        simulation.run()
        client.transport.setReading(true)
        simulation.run()
        let frames = try client.takeFrames()
        let data = frames.filter { $0.opcode == 2 }
        #expect(data.count == 9, "\(size)")
        #expect(data.allSatisfy { frame in frame.payload.allSatisfy { $0 == frame.payload[0] } }, "\(size)")
        #expect(data.map { $0.payload[0] } == [0, 1, 1, 1, 1, 1, 2, 3, 4], "\(size)")
    }

    /// The transport is full when the Close frame is to be answered, and takes everything at the end of the same turn.
    @Test(
        "§5.5.1 a Close frame behind a large message is answered after the echo",
        arguments: SimulatedEchoTests.handlers, sizesAndBuffers)
    func aCloseBehindALargeMessageIsAnswered(path: String, sizeAndBuffer: (size: Int, buffer: Int)) throws {
        let (size, buffer) = sizeAndBuffer
        let simulation = SimulatedEchoTests.simulation()
        simulation.link.socketBuffer = buffer
        let client = simulation.openRawClient(path)
        client.send(.binary(Array(repeating: 1, count: size)), .close(1000))
        client.end()
        simulation.run()
        let frames = try client.takeFrames()
        #expect(frames.map(\.opcode) == [2, 8], "\(buffer)")
        #expect(frames.first?.payload.count == size)
        #expect(client.inputHasEnded && !client.wasReset)
        simulation.expectNothingLeft()
    }
}
