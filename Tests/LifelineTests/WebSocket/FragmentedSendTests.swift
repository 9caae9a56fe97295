import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Messages that are sent in parts (§5.4).
@Suite("§5.4 sending in fragments") struct FragmentedSendTests {
    /// A message in as many fragments as a test gives it.
    static func fragments(_ texts: AsyncStream<String>) -> some AsyncSequence<ByteBuffer, Never> & Sendable {
        texts.map { ByteBuffer(string: $0) }
    }

    @Test("§5.4 each fragment is sent when its sequence yields it", arguments: Simulation.Place.allCases)
    func fragmentsAreSentAsTheyCome(place: Simulation.Place) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let (texts, feed) = AsyncStream.makeStream(of: String.self)
        let sending = simulation.start(place) { try await socket.send(textFragments: texts) }
        simulation.run()
        #expect(server.bytes.isEmpty)
        feed.yield("one")
        simulation.run()
        #expect(try server.takeFrames().map { [$0.text, "\($0.opcode)", "\($0.isFinal)"] } == [["one", "1", "false"]])
        feed.yield("two")
        feed.yield("")
        simulation.run()
        #expect(
            try server.takeFrames().map { [$0.text, "\($0.opcode)", "\($0.isFinal)"] } == [
                ["two", "0", "false"], ["", "0", "false"],
            ])
        feed.finish()
        simulation.run()
        #expect(try server.takeFrames().map { [$0.text, "\($0.opcode)", "\($0.isFinal)"] } == [["", "0", "true"]])
        #expect(sending.hasEnded && sending.error == nil)
    }

    @Test("§5.4 a sequence without fragments is sent as an empty message", arguments: Simulation.Place.allCases)
    func noFragmentsMakeAnEmptyMessage(place: Simulation.Place) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let (texts, feed) = AsyncStream.makeStream(of: String.self)
        feed.finish()
        try simulation.value(place) { try await socket.send(fragments: Self.fragments(texts)) }
        #expect(try server.takeFrames().map { [$0.text, "\($0.opcode)", "\($0.isFinal)"] } == [["", "2", "true"]])
    }

    @Test(
        "§5.4 control frames go between fragments, other messages after the last", arguments: Simulation.Place.allCases)
    func otherMessagesWaitForTheLastFragment(place: Simulation.Place) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let (texts, feed) = AsyncStream.makeStream(of: String.self)
        let (others, otherFeed) = AsyncStream.makeStream(of: String.self)
        _ = simulation.start(place) { try await socket.send(textFragments: texts) }
        feed.yield("a")
        simulation.run()
        _ = simulation.start(.onLoop) { try await socket.send("whole") }
        _ = simulation.start(.elsewhere) { try await socket.send([1]) }
        _ = simulation.start(place) { try await socket.send(textFragments: others) }
        otherFeed.yield("x")
        otherFeed.finish()
        _ = simulation.start(place) { try await socket.ping() }
        server.send(WireFrame.ping("?").unmasked)
        simulation.run()
        feed.yield("b")
        simulation.run()
        feed.finish()
        simulation.run()
        let frames = try server.takeFrames()
        let data = frames.filter { $0.opcode < 8 }.map { $0.opcode == 2 ? "1" : $0.text }
        #expect(data.prefix(3) == ["a", "b", ""])
        #expect(Set(data.dropFirst(3)) == ["whole", "1", "x", ""])
        #expect(frames.filter { $0.opcode < 8 }.map(\.isFinal).count { $0 } == 4)
        let control = frames.firstIndex { $0.opcode == 0xA } ?? .max
        let end = frames.firstIndex { $0.opcode == 0 && $0.isFinal } ?? 0
        #expect(control < end, "the Pong has not waited")
        #expect(frames.contains { $0.opcode == 9 })
    }

    @Test("§5.4 messages from an on-loop handler are sent after the last fragment")
    func anOnLoopHandlersMessagesFollowTheLastFragment() throws {
        let (texts, feed) = AsyncStream.makeStream(of: String.self)
        let box = Collected<WebSocket>()
        let simulation = Simulation { routes in
            routes.routeOnLoop {
                Exposed(box)
            }
        }
        let client = simulation.openRawClient()
        let socket = try #require(box.values.first)
        _ = simulation.start { try await socket.send(textFragments: texts) }
        feed.yield("a")
        simulation.run()
        client.send(.text("echo 1"), .text("echo 2"))
        simulation.run()
        feed.yield("b")
        feed.finish()
        simulation.run()
        #expect(try client.takeFrames().map(\.text) == ["a", "b", "", "echo 1", "echo 2"])
        #expect(simulation.loop.connections.count == 1)
    }

    struct Failure: Error {}

    @Test(
        "A sequence that throws between fragments closes the connection with 1011", arguments: Simulation.Place.allCases
    )
    func aSequenceThatThrowsClosesWith1011(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let (texts, feed) = AsyncThrowingStream.makeStream(of: String.self)
        let sending = simulation.start(place) { try await socket.send(textFragments: texts) }
        feed.yield("one")
        simulation.run()
        feed.finish(throwing: Failure())
        simulation.run()
        #expect(throws: Failure.self) { try sending.value }
        let frames = try server.takeFrames()
        #expect(frames.map(\.opcode) == [1, 8])
        #expect(frames.last?.closeCode == 1011)
    }

    @Test("A sequence that throws before its first fragment sends nothing", arguments: Simulation.Place.allCases)
    func aSequenceThatThrowsAtOnceSendsNothing(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let (texts, feed) = AsyncThrowingStream.makeStream(of: String.self)
        feed.finish(throwing: Failure())
        let sending = simulation.start(place) { try await socket.send(textFragments: texts) }
        simulation.run()
        #expect(throws: Failure.self) { try sending.value }
        try simulation.value(place) { try await socket.send("still open") }
        #expect(try server.takeFrames().map(\.text) == ["still open"])
    }

    @Test(
        "A fragmented send that is cancelled while it waits for room closes with 1011",
        arguments: Simulation.Place.allCases, [0, 1, 2])
    func aCancelledFragmentedSendClosesWith1011(place: Simulation.Place, fragmentsLeft: Int) throws {
        let (simulation, client, socket) = try OutboundPressureTests.stalled()
        let (texts, feed) = AsyncStream.makeStream(of: String.self)
        let sending = simulation.start(place) { try await socket.send(textFragments: texts) }
        feed.yield(String(repeating: "x", count: 20_000))
        simulation.run()
        let other = simulation.start(place) { try await socket.send("another") }
        for _ in 0..<fragmentsLeft { feed.yield("y") }
        feed.finish()
        simulation.run()
        #expect(!sending.hasEnded, "it waits for room")
        sending.cancel()
        simulation.run()
        #expect(sending.error?.code == .cancelled)
        #expect(other.error?.code == .closed)
        client.transport.setReading(true)
        simulation.run()
        let frames = try client.takeFrames()
        #expect(frames.map(\.opcode) == [1, 8])
        #expect(frames.last?.closeCode == 1011)
    }

    /// The same where it waits for its sequence, which a cancellation ends as if nothing more were to come: half a message
    /// must not pass for a whole one.
    @Test(
        "A fragmented send that is cancelled between fragments sends no final fragment",
        arguments: Simulation.Place.allCases, ["half", nil])
    func aCancelledFragmentedSendEndsNoMessage(place: Simulation.Place, text: String?) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let (texts, feed) = AsyncStream.makeStream(of: String.self)
        let sending = simulation.start(place) { try await socket.send(textFragments: texts) }
        if let text { feed.yield(text) }
        simulation.run()
        #expect(!sending.hasEnded, "it waits for more")
        sending.cancel()
        simulation.run()
        #expect(sending.error?.code == .cancelled)
        let frames = try server.takeFrames()
        #expect(frames.map(\.opcode) == (text == nil ? [] : [1, 8]))
        #expect(frames.first?.isFinal != true || text == nil)
        #expect(frames.last?.closeCode == (text == nil ? nil : 1011))
        feed.finish()
    }
}

/// Leaves its socket for a test, and echoes.
private struct Exposed: OnLoopHandler {
    let box: Collected<WebSocket>

    init(_ box: Collected<WebSocket>) {
        self.box = box
    }

    func opened(_ socket: OnLoopWebSocket) {
        box.append(socket.webSocket)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        socket.send(message)
    }
}
