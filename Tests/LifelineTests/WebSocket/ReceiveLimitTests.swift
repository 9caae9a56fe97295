import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Receives with a limit of size or time, and with functions that throw.
@Suite("Receive limits") struct ReceiveLimitTests {
    private static func pair() throws -> (WebSocket, RawPeer, Simulation) {
        let simulation = Simulation { $0.route(handler: echo) }
        let (socket, peer) = try simulation.openToRawServer()
        return (socket, peer, simulation)
    }

    @Test("A message that arrives within the timeout is received", arguments: Simulation.Place.allCases)
    func inTime(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let receiving = simulation.start(place) { try await socket.receive(within: .seconds(5)) }
        simulation.advance(by: .seconds(4))
        peer.send(.text("here").unmasked)
        simulation.run()
        #expect(try receiving.value == .text("here"))
        simulation.advance(by: .seconds(10))
        let next = simulation.start(place) { try await socket.receive() }
        peer.send(.text("and again").unmasked)
        simulation.run()
        #expect(try next.value == .text("and again"), "the deadline before does not end a later wait")
    }

    @Test("A receive that times out loses no message", arguments: Simulation.Place.allCases)
    func timesOut(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let receiving = simulation.start(place) { try await socket.receive(within: .seconds(5)) }
        simulation.advance(by: .seconds(6))
        #expect(receiving.error?.code == .timedOut)
        peer.send(.text("late").unmasked)
        simulation.run()
        #expect(try simulation.value(place) { try await socket.receive() } == .text("late"))
        #expect(simulation.error(place, of: { try await socket.receive(within: .zero) })?.code == .timedOut)
    }

    @Test(
        "A receive with limits returns nil after a clean end, and throws after another",
        arguments: Simulation.Place.allCases)
    func atTheEnd(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let receiving = simulation.start(place) { try await socket.receive(within: .seconds(5)) }
        simulation.run()
        peer.send(.close(1000).unmasked)
        simulation.run()
        #expect(try receiving.value == nil)
        let (other, dead, second) = try Self.pair()
        dead.transport.reset()
        second.run()
        #expect(second.error(place, of: { try await other.receive(upTo: 10) })?.code == .closed)
    }

    @Test(
        "A message within the size limit is received, in one frame or in fragments",
        arguments: Simulation.Place.allCases)
    func withinTheLimit(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let receiving = simulation.start(place) {
            [try await socket.receive(upTo: 6), try await socket.receive(upTo: 6)]
        }
        simulation.run()
        peer.send(.text("abc").unfinished.unmasked)
        simulation.run()
        peer.send(.continuation("def").unmasked)
        peer.send(.binary([1, 2, 3, 4, 5, 6]).unmasked)
        simulation.run()
        #expect(try receiving.value == [.text("abcdef"), .binary([1, 2, 3, 4, 5, 6] as [UInt8])])
    }

    @Test(
        "§7.4.1 a message above the size limit closes with 1009 before it has arrived completely",
        arguments: Simulation.Place.allCases)
    func aboveTheLimit(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let receiving = simulation.start(place) { try await socket.receive(upTo: 6) }
        simulation.run()
        peer.send(.text("abcd").unfinished.unmasked)
        peer.send(.continuation("efg").unfinished.unmasked)
        simulation.run()
        #expect(receiving.error?.code == .messageTooBig)
        let frames = try peer.takeFrames()
        #expect(frames.map(\.closeCode) == [1009])
    }

    @Test(
        "The fragments that arrived before a timeout stay part of their message", arguments: Simulation.Place.allCases)
    func aPartIsKept(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let receiving = simulation.start(place) { try await socket.receive(upTo: 100, within: .seconds(1)) }
        simulation.run()
        peer.send(.text("first ").unfinished.unmasked)
        simulation.advance(by: .seconds(2))
        #expect(receiving.error?.code == .timedOut)
        peer.send(.continuation("second").unmasked)
        peer.send(.text("next").unmasked)
        simulation.run()
        #expect(try simulation.value(place) { try await socket.receive() } == .text("first second"))
        #expect(try simulation.value(place) { try await socket.receive(upTo: 100) } == .text("next"))
    }

    @Test("A message whose function throws counts as received", arguments: Simulation.Place.allCases)
    func aThrowingFunction(place: Simulation.Place) throws {
        struct Undecodable: Error {}
        let (socket, peer, simulation) = try Self.pair()
        peer.send(.text("one").unmasked)
        peer.send(.text("two").unmasked)
        simulation.run()
        let texts = try simulation.value(place) { () -> [String?] in
            do {
                _ = try await socket.receive { _ in throw Undecodable() }
                return []
            } catch is Undecodable {
                return [try await socket.receive { $0.text }]
            }
        }
        #expect(texts == ["two"])
    }

    @Test("A message has its text, its bytes and its size")
    func accessors() {
        let text = WebSocketMessage.text("é")
        #expect(text.text == "é" && text.bytes == [0xC3, 0xA9] && text.count == 2)
        let binary = WebSocketMessage.binary([1, 2, 3] as [UInt8])
        #expect(binary.text == nil && binary.bytes == [1, 2, 3] && binary.count == 3)
    }

    @Test("Two sockets are equal if they are of the same connection")
    func identity() throws {
        let simulation = Simulation { $0.route(handler: echo) }
        let (one, other) = (try simulation.open(), try simulation.open())
        #expect(Set([one, other, one]).count == 2 && one != other && one.id != other.id)
    }

    @Test(
        "enqueue returns .sent on an open connection, and .closed on a closing one",
        arguments: Simulation.Place.allCases)
    func enqueueing(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        let message = PreparedMessage("news")
        #expect(try simulation.value(place) { socket.enqueue(message) } == .sent)
        simulation.run()
        #expect(try peer.takeFrames().map(\.text) == ["news"])
        let closing = simulation.start(place) { try await socket.close() }
        simulation.run()
        #expect(try simulation.value(place) { socket.enqueue(message) } == .closed)
        peer.send(.close(1000).unmasked)
        peer.end()
        simulation.advance(by: .seconds(1))
        _ = try closing.value
        #expect(try simulation.value(place) { socket.enqueue(message) } == .closed)
    }

    @Test("bufferedBytes counts the bytes that wait to be sent", arguments: Simulation.Place.allCases)
    func bufferedBytes(place: Simulation.Place) throws {
        let (socket, peer, simulation) = try Self.pair()
        #expect(try simulation.value(place) { await socket.bufferedBytes } == 0)
        peer.transport.setReading(false)
        _ = try simulation.value(place) {
            socket.enqueue(PreparedMessage(ByteBuffer(repeating: 1, count: 1 << 20)))
        }
        let waiting = try simulation.value(place) { await socket.bufferedBytes }
        #expect(waiting > 1 << 19 && waiting < 1 << 20 + 1000, "\(waiting)")
        peer.transport.setReading(true)
        simulation.run()
        #expect(try simulation.value(place) { await socket.bufferedBytes } == 0)
    }
}

/// Handlers that close with a code and a reason of their choice.
@Suite("WebSocketCloseError") struct CloseErrorTests {
    @Test(
        "§7.4 a handler that throws WebSocketCloseError closes with its code and reason",
        arguments: [
            (CloseCode.policyViolation, "no", UInt16(1008), "no"),
            (CloseCode(rawValue: 4001), "", 4001, ""),
            (.abnormalClosure, "not on the wire", 1011, "not on the wire"),
            (.normalClosure, String(repeating: "é", count: 80), 1000, String(repeating: "é", count: 61)),
        ])
    func aHandlersError(code: CloseCode, reason: String, sentCode: UInt16, sentReason: String) throws {
        let simulation = Simulation {
            $0.route { _ in throw WebSocketCloseError(code: code, reason: reason) }
        }
        let client = simulation.openRawClient()
        simulation.run()
        let close = try #require(try client.takeFrames().first)
        #expect(
            close.closeCode == sentCode && String(decoding: close.payload.dropFirst(2), as: UTF8.self) == sentReason)
    }
}
