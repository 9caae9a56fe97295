import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// One reader, one order, and nothing lost.
@Suite("Receiving") struct ReceivingTests {
    /// A client and the raw server that it has opened a connection to.
    static func client() throws -> (simulation: Simulation, socket: WebSocket, server: RawPeer) {
        let simulation = Simulation { _ in }
        let (socket, server) = try simulation.openToRawServer()
        return (simulation, socket, server)
    }

    // MARK: Cancellation

    @Test("A cancelled receive loses no message", arguments: Simulation.Place.allCases)
    func aCancelledReceiveLosesNothing(place: Simulation.Place) throws {
        let (simulation, socket, server) = try Self.client()
        for round in 0..<5 {
            let receiving = simulation.start(place) { try await socket.receiveCopy() }
            simulation.run()
            receiving.cancel()
            simulation.run()
            #expect(receiving.error?.code == .cancelled)
            server.send(WireFrame.text("\(round)").unmasked)
            simulation.run()
            #expect(try simulation.value(place) { try await socket.receiveCopy() } == .text("\(round)"))
        }
    }

    @Test(
        "A cancellation that coincides with a message loses no message", arguments: Simulation.Place.allCases,
        [false, true])
    func aCancellationThatMeetsAMessageLosesNothing(place: Simulation.Place, cancelsFirst: Bool) throws {
        let (simulation, socket, server) = try Self.client()
        var received: [WebSocketMessage] = []
        for round in 0..<10 {
            let receiving = simulation.start(place) { try await socket.receiveCopy() }
            simulation.run()
            if cancelsFirst { receiving.cancel() }
            server.send(WireFrame.text("\(round)").unmasked)
            if !cancelsFirst { receiving.cancel() }
            simulation.run()
            if let message = try? receiving.value { received.append(message) }
        }
        server.send(WireFrame.close(1000).unmasked)
        simulation.run()
        received += try simulation.value(place) { try await socket.all() }
        #expect(received == (0..<10).map { .text("\($0)") })
    }

    @Test(
        "A receive in a cancelled task returns a message or throws, and loses none",
        arguments: Simulation.Place.allCases)
    func aReceiveInACancelledTaskLosesNothing(place: Simulation.Place) throws {
        let (simulation, socket, server) = try Self.client()
        server.send(WireFrame.text("there").unmasked)
        simulation.run()
        let receiving = simulation.start(place) {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await socket.receiveCopy()
        }
        simulation.run()
        #expect(receiving.hasEnded)
        if receiving.error == nil {
            #expect(try receiving.value == .text("there"))
        } else {
            #expect(try simulation.value(place) { try await socket.receiveCopy() } == .text("there"))
        }
        let waiting = simulation.start(place) {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await socket.receiveCopy()
        }
        simulation.run()
        #expect(waiting.error?.code == .cancelled)
    }

    /// Handlers are watched once for their whole task, and not by each wait.
    @Test("A handler's receive is cancelled with its task, and the connection closes with 1001")
    func aHandlersReceiveIsCancelledWithItsTask() throws {
        let ended = Collected<WebSocketError.Code>()
        let simulation = Simulation { routes in
            routes.route { socket in
                do {
                    _ = try await socket.receiveCopy()
                } catch {
                    ended.append((error as? WebSocketError)?.code ?? .closed)
                    throw error
                }
            }
        }
        let client = simulation.openRawClient()
        simulation.runtime.cancelHandlers()
        simulation.run()
        #expect(ended.values == [.cancelled])
        #expect(try client.takeFrames().map(\.closeCode) == [1001])
    }

    @Test("A child task of a handler can be cancelled alone")
    func aHandlersChildTaskCanBeCancelledAlone() throws {
        let simulation = Simulation { routes in
            routes.route { socket in
                let wasCancelled = await withThrowingTaskGroup(of: WebSocketMessage?.self) { group in
                    group.addTask { try await socket.receiveCopy() }
                    await Task.yield()
                    group.cancelAll()
                    return await group.nextResult().map { (try? $0.get()) == nil }
                }
                try await socket.send("\(wasCancelled == true)")
                for try await message in socket { try await socket.send(message) }
            }
        }
        let client = simulation.openRawClient()
        client.send(.text("first"), .text("second"))
        simulation.run()
        #expect(try client.takeFrames().map(\.text) == ["true", "first", "second"])
    }

    // MARK: Several readers

    @Test("A second concurrent receive is refused", arguments: Simulation.Place.allCases, Simulation.Place.allCases)
    func aSecondReaderIsRefused(first: Simulation.Place, second: Simulation.Place) throws {
        let (simulation, socket, server) = try Self.client()
        let receiving = simulation.start(first) { try await socket.receiveCopy() }
        simulation.run()
        let other = simulation.start(second) { try await socket.receiveCopy() }
        let iterating = simulation.start(second) { try await socket.all() }
        let streaming = simulation.start(second) {
            var iterator = socket.incoming.makeAsyncIterator()
            return try await iterator.next()?.kind
        }
        simulation.run()
        #expect(other.error?.code == .concurrentReceive)
        #expect(iterating.error?.code == .concurrentReceive)
        #expect(streaming.error?.code == .concurrentReceive)
        server.send(WireFrame.text("for the first").unmasked)
        simulation.run()
        #expect(try receiving.value == .text("for the first"))
        // One after the other is fine.
        server.send(WireFrame.text("for the second").unmasked)
        simulation.run()
        #expect(try simulation.value(second) { try await socket.receiveCopy() } == .text("for the second"))
    }

    @Test(
        "Iterators and receives can follow one another without losing a message", arguments: Simulation.Place.allCases)
    func iteratorsCanFollowEachOther(place: Simulation.Place) throws {
        let (simulation, socket, server) = try Self.client()
        for number in 0..<6 { server.send(WireFrame.text("\(number)").unmasked) }
        server.send(WireFrame.emptyClose.unmasked)
        simulation.run()
        let messages = try simulation.value(place) {
            var messages: [WebSocketMessage] = []
            for try await message in socket {
                messages.append(message)
                if messages.count == 2 { break }
            }
            if let message = try await socket.receiveCopy() { messages.append(message) }
            var iterator = socket.makeAsyncIterator()
            if let message = try await iterator.next() { messages.append(message) }
            return messages + (try await socket.all())
        }
        #expect(messages == (0..<6).map { .text("\($0)") })
    }

    @Test("An actor can receive every message in order", arguments: Simulation.Place.allCases, [1, 7, 1000])
    func anActorCanReceive(place: Simulation.Place, size: Int) throws {
        let simulation = Simulation { $0.route { try await Room().echo($0) } }
        simulation.link.readSize = .atMost(size)
        let messages = SimulatedEchoTests.messages.filter { $0.buffer.readableBytes < 100 * size }
        #expect(try SimulatedEchoTests.exchange(messages, simulation, "/", place) == messages)
        let answers = try simulation.value(place) {
            try await Room().exchange(messages, try await simulation.connect())
        }
        #expect(answers == messages)
        simulation.expectNothingLeft()
    }

    // MARK: What arrives early

    @Test("Messages that arrive before the handler receives are kept")
    func earlyMessagesAreKept() throws {
        let mayReceive = Gate()
        let received = Collected<WebSocketMessage>()
        let simulation = Simulation { routes in
            routes.route { socket in
                try await mayReceive.wait()
                for try await message in socket { received.append(message) }
            }
        }
        let client = simulation.openRawClient()
        client.send(.text("one"), .text("two").unfinished)
        simulation.run()
        client.send(.continuation(" three"), .ping(), .text("four"))
        simulation.advance(by: .seconds(5))
        #expect(received.isEmpty)
        mayReceive.open()
        simulation.run()
        #expect(received.values == [.text("one"), .text("two three"), .text("four")])
    }

    @Test(
        "§4.1 frames that follow the request at once are received after the 101",
        arguments: SimulatedEchoTests.handlers, [1, 50, 1000])
    func framesBehindTheRequestAreReceived(path: String, size: Int) throws {
        let simulation = SimulatedEchoTests.simulation()
        simulation.link.readSize = .atMost(size)
        let client = simulation.rawClient()
        client.send(HandshakeText.request(path).bytes + WireFrame.text("early").bytes + WireFrame.ping("p").bytes)
        simulation.run()
        #expect(client.takeHead()?.hasPrefix("HTTP/1.1 101 ") == true)
        let frames = try client.takeFrames()
        #expect(Set(frames.map(\.text)) == ["early", "p"])
    }

    @Test("§4.1 frames that follow the 101 at once are received", arguments: Simulation.Place.allCases)
    func framesBehindTheAnswerAreReceived(place: Simulation.Place) throws {
        let simulation = Simulation { _ in }
        let messages = try simulation.value(place) {
            let socket = try await simulation.connectToRawServer { server in
                server.answer(
                    behind: [WireFrame.text("early").unmasked, .ping().unmasked, .text("more").unmasked]
                        .flatMap(\.bytes) + WireFrame.close(1000).unmasked.bytes)
            }
            return try await socket.all()
        }
        #expect(messages == [.text("early"), .text("more")])
    }

    // MARK: The end

    /// How a peer ends a connection, while the task waits in a receive or before it receives.
    struct End: Sendable, CustomTestStringConvertible {
        let name: String
        let isWaiting: Bool
        let act: @Sendable (RawPeer) -> Void

        var testDescription: String { isWaiting ? "\(name), during a receive" : "\(name), before the receive" }
    }

    static let ends: [End] = [false, true].flatMap { isWaiting in
        [
            End(name: "1011", isWaiting: isWaiting) { $0.send(WireFrame.close(1011, "oops").unmasked) },
            End(name: "4321", isWaiting: isWaiting) { $0.send(WireFrame.close(4321).unmasked) },
            End(name: "the end of TCP", isWaiting: isWaiting) { $0.end() },
            End(name: "a reset", isWaiting: isWaiting) { $0.transport.reset() },
            End(name: "a violation", isWaiting: isWaiting) { $0.send(WireFrame.text("masked")) },
        ]
    }

    @Test(
        "§7.1.5 iteration ends after a Close frame with 1000, 1001 or no code", arguments: Simulation.Place.allCases,
        [WireFrame.close(1000), .close(1001, "away"), .emptyClose])
    func iterationEndsAfterANormalClose(place: Simulation.Place, close: WireFrame) throws {
        let (simulation, socket, server) = try Self.client()
        server.send(WireFrame.text("last").unmasked, close.unmasked)
        simulation.run()
        #expect(try simulation.value(place) { try await socket.all() } == [.text("last")])
        // And again, each time somebody asks.
        #expect(try simulation.value(place) { try await socket.receiveCopy() } == nil)
    }

    @Test("§7.1.5 iteration throws the outcome after any other end", arguments: Simulation.Place.allCases, ends)
    func iterationThrowsAfterAnotherEnd(place: Simulation.Place, end: End) throws {
        let (simulation, socket, server) = try Self.client()
        let received = Collected<WebSocketMessage>()
        let iterating = simulation.start(place) {
            if !end.isWaiting { await simulation.sleep(for: .seconds(1)) }
            for try await message in socket { received.append(message) }
        }
        simulation.run()
        server.send(WireFrame.text("last").unmasked)
        simulation.run()
        end.act(server)
        simulation.advance(by: .seconds(2))
        #expect(received.values == [.text("last")])
        #expect(iterating.error?.code == .closed)
        let outcome = try simulation.value { await socket.outcome }
        #expect(outcome != nil && iterating.error?.outcome == outcome)
        #expect(simulation.error(place, of: { try await socket.receiveCopy() })?.outcome == outcome)
    }

    @Test(
        "§5.5.1 messages that arrive between this side's Close frame and the peer's are received",
        arguments: Simulation.Place.allCases)
    func messagesBeforeThePeersCloseAreReceived(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try Self.client()
        let closing = simulation.start(place) { try await socket.close() }
        simulation.run()
        server.send(
            WireFrame.text("in time").unmasked, WireFrame.close(1000).unmasked, WireFrame.text("too late").unmasked)
        server.end()
        simulation.run()
        #expect(try closing.value.isClean)
        #expect(try simulation.value(place) { try await socket.all() } == [.text("in time")])
    }
}

/// Receives on an actor of its own.
private actor Room {
    func echo(_ socket: WebSocket) async throws {
        for try await message in socket { try await socket.send(message) }
    }

    func exchange(_ messages: [WebSocketMessage], _ socket: WebSocket) async throws -> [WebSocketMessage] {
        for message in messages { try await socket.send(message) }
        var answers: [WebSocketMessage] = []
        while answers.count < messages.count, let answer = try await socket.receive({ $0.copy }) {
            answers.append(answer)
        }
        try await socket.close()
        return answers
    }
}
