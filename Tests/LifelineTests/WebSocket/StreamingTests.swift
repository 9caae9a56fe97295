import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Messages that are received in parts (§5.4).
@Suite("§5.4 receiving in chunks") struct StreamingTests {
    /// A client that streams what it receives into a list: each message's kind, then its chunks.
    static func collecting(
        _ place: Simulation.Place
    ) throws -> (simulation: Simulation, server: RawPeer, seen: Collected<String>, task: Running<Void>) {
        let (simulation, socket, server) = try ReceivingTests.client()
        let seen = Collected<String>()
        let task = simulation.start(place) {
            for try await message in socket.incoming {
                seen.append("\(message.kind)")
                for try await chunk in message { seen.append(String(buffer: chunk)) }
                seen.append("end")
            }
        }
        simulation.run()
        return (simulation, server, seen, task)
    }

    @Test("§5.4 each fragment is received as a chunk before its message ends", arguments: Simulation.Place.allCases)
    func chunksComeBeforeTheirMessageEnds(place: Simulation.Place) throws {
        let (simulation, server, seen, task) = try Self.collecting(place)
        server.send(WireFrame.text("one").unfinished.unmasked)
        simulation.run()
        #expect(seen.values == ["text", "one"])
        server.send(WireFrame.ping().unmasked, .continuation("").unfinished.unmasked, .continuation("two").unmasked)
        simulation.run()
        #expect(seen.values == ["text", "one", "two", "end"])
        server.send(WireFrame.binary([]).unmasked, .text("whole").unmasked, .close(1000).unmasked)
        simulation.run()
        #expect(seen.values.dropFirst(4) == ["binary", "end", "text", "whole", "end"])
        #expect(task.hasEnded && task.error == nil)
    }

    @Test("A frame that arrives in pieces is received in chunks", arguments: Simulation.Place.allCases)
    func aFrameInPiecesIsReceivedInChunks(
        place: Simulation.Place
    ) throws {
        let (simulation, server, seen, _) = try Self.collecting(place)
        let bytes = WireFrame.text("abcdef").unmasked.bytes
        for byte in bytes {
            server.send([byte])
            simulation.run()
        }
        #expect(seen.values == ["text", "a", "b", "c", "d", "e", "f", "end"])
    }

    @Test(
        "A message larger than the high-water mark is received in bounded memory", arguments: Simulation.Place.allCases)
    func aLongMessageTakesBoundedMemory(
        place: Simulation.Place
    ) throws {
        let most = Collected<Int>()
        let simulation = Simulation { configuration in
            configuration.buffers = InboundPressureTests.limits
        } routes: { routes in
            routes.route { socket in
                for number in 0..<1000 {
                    let position: FragmentPosition = number == 0 ? .first : number == 999 ? .last : .middle
                    try await socket.send(
                        OutboundFrame(kind: .binary, position: position, payload: ByteBuffer(repeating: 1, count: 1000))
                    )
                }
            }
        }
        simulation.link.socketBuffer = 8000
        let count = try simulation.value(place) {
            let socket = try await simulation.connect { $0.buffers = InboundPressureTests.limits }
            var count = 0
            for try await message in socket.incoming {
                for try await chunk in message {
                    count += chunk.readableBytes
                    most.append(await socket.handle.onLoop { $0.withConnection { $0.inbox.size } ?? 0 })
                    if count.isMultiple(of: 7) { await simulation.sleep(for: .milliseconds(1)) }
                }
            }
            return count
        }
        #expect(count == 1_000_000)
        #expect((most.values.max() ?? 0) < 25_000)
    }

    @Test("The rest of an abandoned message is skipped", arguments: Simulation.Place.allCases)
    func theRestOfAnAbandonedMessageIsSkipped(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let seen = Collected<String>()
        let task = simulation.start(place) {
            for try await message in socket.incoming {
                for try await chunk in message {
                    seen.append(String(buffer: chunk))
                    break
                }
            }
        }
        server.send(WireFrame.text("one").unfinished.unmasked)
        simulation.run()
        server.send(
            WireFrame.continuation("skipped").unfinished.unmasked, .continuation("too").unmasked,
            .text("two").unmasked, .text("thr").unfinished.unmasked)
        simulation.run()
        server.send(WireFrame.continuation("ee").unmasked, .close(1000).unmasked)
        simulation.run()
        #expect(seen.values == ["one", "two", "thr"])
        #expect(task.hasEnded && task.error == nil)
    }

    @Test("A task can receive whole messages after chunks", arguments: Simulation.Place.allCases, [false, true])
    func fromChunksBackToWholeMessages(place: Simulation.Place, arrivesAtOnce: Bool) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let seen = Collected<String>()
        _ = simulation.start(place) {
            for try await message in socket.incoming {
                for try await chunk in message {
                    seen.append(String(buffer: chunk))
                    break
                }
                break
            }
            await simulation.sleep(for: .seconds(1))
            for try await message in socket { seen.append(String(buffer: message.buffer)) }
        }
        let frames: [WireFrame] = [
            .text("first part").unfinished, .continuation("never read").unfinished, .continuation("nor this"),
            .text("one ").unfinished, .continuation("two"), .text("three"), .close(1000),
        ]
        for frame in frames {
            server.send(frame.unmasked)
            if !arrivesAtOnce { simulation.advance(by: .milliseconds(400)) }
        }
        simulation.advance(by: .seconds(5))
        #expect(seen.values == ["first part", "one two", "three"])
    }

    @Test("A task can receive chunks after whole messages", arguments: Simulation.Place.allCases)
    func fromWholeMessagesToChunks(place: Simulation.Place) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        server.send(WireFrame.text("whole").unmasked, .text("half ").unfinished.unmasked)
        simulation.run()
        let seen = Collected<String>()
        _ = simulation.start(place) {
            if let message = try await socket.receiveCopy() { seen.append(String(buffer: message.buffer)) }
            for try await message in socket.incoming {
                for try await chunk in message { seen.append(String(buffer: chunk)) }
                seen.append("end")
            }
        }
        simulation.run()
        #expect(seen.values == ["whole"])
        server.send(WireFrame.continuation("and ").unfinished.unmasked)
        simulation.run()
        server.send(WireFrame.continuation("half").unmasked, .text("new").unmasked)
        simulation.run()
        #expect(seen.values == ["whole", "half and ", "half", "end", "new", "end"])
    }

    @Test("A second stream begins with the next message", arguments: Simulation.Place.allCases)
    func aSecondStreamBeginsWithItsOwnMessage(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let seen = Collected<String>()
        _ = simulation.start(place) {
            for _ in 0..<2 {
                for try await message in socket.incoming {
                    for try await chunk in message {
                        seen.append(String(buffer: chunk))
                        break
                    }
                    break
                }
            }
        }
        server.send(WireFrame.text("one").unfinished.unmasked)
        simulation.run()
        server.send(WireFrame.continuation("rest").unmasked, .text("two").unfinished.unmasked)
        simulation.run()
        #expect(seen.values == ["one", "two"])
    }

    @Test("The end of one stream does not end another", arguments: Simulation.Place.allCases)
    func anEndedStreamLeavesAnotherOneStreaming(
        place: Simulation.Place
    ) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let seen = Collected<String>()
        _ = simulation.start(place) {
            var first: IncomingMessages.AsyncIterator? = socket.incoming.makeAsyncIterator()
            var second = socket.incoming.makeAsyncIterator()
            if var chunks = try await first?.next()?.makeAsyncIterator(), let chunk = try await chunks.next() {
                seen.append(String(buffer: chunk))
            }
            _ = try await second.next()
            first = nil
            while let message = try await second.next() {
                for try await chunk in message { seen.append(String(buffer: chunk)) }
            }
        }
        server.send(WireFrame.text("one").unmasked, .text("two").unmasked)
        simulation.run()
        server.send(WireFrame.text("at once").unfinished.unmasked)
        simulation.run()
        #expect(seen.values == ["one", "at once"])
    }

    @Test("A cancelled stream loses no part of a message", arguments: Simulation.Place.allCases)
    func aCancelledStreamLosesNothing(place: Simulation.Place) throws {
        let (simulation, socket, server) = try ReceivingTests.client()
        let receiving = simulation.start(place) { try await socket.receiveCopy() }
        simulation.run()
        receiving.cancel()
        simulation.run()
        // Left behind in parts by a stream that nobody reads any more …
        let streaming = simulation.start(place) {
            for try await message in socket.incoming { for try await _ in message {} }
        }
        simulation.run()
        server.send(WireFrame.text("read").unmasked)
        simulation.run()
        streaming.cancel()
        server.send(WireFrame.text("one ").unfinished.unmasked, .continuation("two ").unfinished.unmasked)
        simulation.run()
        #expect(streaming.error?.code == .cancelled || streaming.error == nil)
        // … the message is still whole for who receives it whole, however often that is tried.
        for _ in 0..<3 {
            let receiving = simulation.start(place) { try await socket.receiveCopy() }
            simulation.run()
            receiving.cancel()
            simulation.run()
            #expect(receiving.error?.code == .cancelled)
        }
        server.send(WireFrame.continuation("three").unmasked)
        simulation.run()
        #expect(try simulation.value(place) { try await socket.receiveCopy() } == .text("one two three"))
    }

    static let ends: [ReceivingTests.End] = [
        .init(name: "a Close frame", isWaiting: true) { $0.send(WireFrame.close(1000).unmasked) },
        .init(name: "the end of TCP", isWaiting: true) { $0.end() },
        .init(name: "a reset", isWaiting: true) { $0.transport.reset() },
        .init(name: "invalid UTF-8", isWaiting: true) { $0.send(WireFrame.client(0, [0xFF]).unmasked) },
    ]

    @Test("A stream throws when the connection ends inside a message", arguments: Simulation.Place.allCases, ends)
    func aMessageThatBreaksOffThrows(place: Simulation.Place, end: ReceivingTests.End) throws {
        let (simulation, server, seen, task) = try Self.collecting(place)
        server.send(WireFrame.text("one").unfinished.unmasked)
        simulation.run()
        end.act(server)
        simulation.advance(by: .seconds(20))
        #expect(seen.values == ["text", "one"])
        #expect(task.error?.code == .closed)
    }

    @Test(
        "An on-loop handler receives whole messages, although a task asks for chunks",
        arguments: Simulation.Place.allCases)
    func aHandlerOnTheLoopGetsWholeMessages(place: Simulation.Place) throws {
        let seen = Collected<Int>()
        let sockets = Collected<WebSocket>()
        let simulation = Simulation { routes in
            routes.routeOnLoop { Measuring(seen: seen, sockets: sockets) }
        }
        let client = simulation.openRawClient()
        let socket = try #require(sockets.values.first)
        let refusals = Collected<WebSocketError.Code>()
        let streaming = simulation.start(place) {
            var iterator = socket.incoming.makeAsyncIterator()
            do throws(WebSocketError) {
                _ = try await iterator.next()
            } catch {
                refusals.append(error.code)
            }
            await simulation.sleep(for: .seconds(10))
            withExtendedLifetime(iterator) {}
        }
        simulation.run()
        #expect(refusals.values == [.concurrentReceive])
        // Its iterator is kept.
        for count in [2, 20_000, 100_000] {
            client.send(.text(String(repeating: "€", count: count)))
            simulation.run()
        }
        #expect(seen.values == [6, 60_000, 300_000])
        #expect(!streaming.hasEnded)
        simulation.advance(by: .seconds(20))
        #expect(streaming.hasEnded)
    }
}

/// Notes how long the messages are that it gets.
private struct Measuring: OnLoopHandler {
    let seen: Collected<Int>
    let sockets: Collected<WebSocket>

    func opened(_ socket: OnLoopWebSocket) {
        sockets.append(socket.webSocket)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        seen.append(message.withUnsafeBytes { String(validating: $0, as: UTF8.self) == nil ? -1 : $0.count })
    }
}
