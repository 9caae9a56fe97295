import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

/// One message to connections of all agreements, in both directions (RFC 7692 §7.1.1).
@Suite("Prepared messages") struct PreparedMessageTests {
    private static let text = (0..<40).map { "{\"id\":\($0),\"name\":\"update \($0 % 7)\",\"state\":\"open\"}" }
        .joined()

    /// What clients offer; `nil` for nothing.
    private static let offers: [PerMessageDeflate?] = [
        nil, PerMessageDeflate(), PerMessageDeflate(),
        PerMessageDeflate(serverNoContextTakeover: true, clientNoContextTakeover: true),
        PerMessageDeflate(serverMaxWindowBits: 8, clientMaxWindowBits: 8),
        PerMessageDeflate(serverMaxWindowBits: 9, clientMaxWindowBits: 12),
        PerMessageDeflate(serverNoContextTakeover: true, serverMaxWindowBits: 12),
        PerMessageDeflate(clientNoContextTakeover: true, serverMaxWindowBits: 12, clientMaxWindowBits: 10),
    ]

    /// A server with a client for each of the offers.
    private final class Feed: @unchecked Sendable {
        let simulation: Simulation
        let budget: CompressionBudget
        let servers = Collected<WebSocket>()
        let receivedByServers = Collected<WebSocketMessage>()
        private(set) var clients: [WebSocket] = []
        private(set) var receivedByClients: [Running<[WebSocketMessage]>] = []

        init(budget: CompressionBudget = CompressionBudget(limit: 1 << 30)) throws {
            self.budget = budget
            simulation = Simulation { [budget] configuration in
                configuration.endpoint.compression = CompressionConfiguration()
                configuration.endpoint.compression?.budget = budget
            } routes: { [servers, receivedByServers] routes in
                routes.route { socket in
                    servers.append(socket)
                    for try await message in socket { receivedByServers.append(message) }
                }
            }
            simulation.offersCompression = true
            for offer in PreparedMessageTests.offers {
                let client = try simulation.open { configuration in
                    configuration.endpoint.compression = offer.map { offer in
                        var compression = CompressionConfiguration()
                        compression.parameters = offer
                        compression.budget = budget
                        return compression
                    }
                }
                #expect(client.handshake.compression == offer)
                clients.append(client)
                receivedByClients.append(simulation.start { try await client.all() })
            }
            simulation.run()
        }

        /// Ends all connections.
        ///
        /// - Returns: What each client has received.
        func close() throws -> [[WebSocketMessage]] {
            let clients = clients
            _ = try simulation.value { for client in clients { try await client.close() } }
            return try receivedByClients.map { try $0.value }
        }
    }

    @Test func everyConnectionGetsEveryMessage() throws {
        let feed = try Feed()
        let simulation = feed.simulation
        let update = PreparedMessage(Self.text)
        let bytes = PreparedMessage(ByteBuffer(string: String(Self.text.reversed())))
        let always = PreparedMessage("short", compress: .always)
        let never = PreparedMessage(Self.text, compress: .never)
        var sent: [WebSocketMessage] = []
        for round in 0..<30 {
            let ordinary = "ordinary \(round): " + Self.text.dropFirst(round * 10).prefix(300)
            let prepared = [update, bytes, always, never, update][round % 5]
            let servers = feed.servers.values
            let clients = feed.clients
            for socket in servers + clients { #expect(socket.enqueue(prepared) == .sent) }
            if round.isMultiple(of: 2) {
                _ = try simulation.value {
                    for socket in servers + clients { try await socket.send(ordinary, compress: .always) }
                }
            }
            if round.isMultiple(of: 3) {
                _ = try simulation.value { for socket in servers + clients { try await socket.send(prepared) } }
            }
            let message = WebSocketMessage(prepared.kind, prepared.payload)
            sent +=
                [message] + (round.isMultiple(of: 2) ? [.text(ordinary)] : [])
                + (round.isMultiple(of: 3) ? [message] : [])
            // Long enough that idle connections keep their windows alone.
            if round % 7 == 6 { simulation.advance(by: .seconds(21)) }
            simulation.run()
        }
        let received = try feed.close()
        #expect(received.count == Self.offers.count)
        for (offer, messages) in zip(Self.offers, received) where messages != sent {
            Issue.record("\(offer.map { "\($0)" } ?? "none"): \(messages.count) of \(sent.count)")
        }
        #expect(feed.receivedByServers.count == sent.count * Self.offers.count)
        #expect(Set(feed.receivedByServers.values) == Set(sent))
        simulation.advance(by: .seconds(60))
        #expect(simulation.loop.connections.isEmpty)
    }

    @Test func onTheLoopToo() throws {
        let update = PreparedMessage(Self.text)
        let simulation = Simulation { configuration in
            configuration.endpoint.compression = CompressionConfiguration()
        } routes: { routes in
            routes.routeOnLoop { OnLoopFeed(update: update) }
        }
        simulation.offersCompression = true
        for offer in Self.offers {
            let answers = try simulation.value {
                let socket = try await simulation.connect { configuration in
                    configuration.endpoint.compression?.parameters = offer ?? PerMessageDeflate()
                    if offer == nil { configuration.endpoint.compression = nil }
                }
                var messages: [WebSocketMessage] = []
                for round in 0..<4 {
                    if let message = try await socket.receiveCopy() { messages.append(message) }
                    try await socket.send("\(round)")
                }
                try await socket.close()
                return messages
            }
            #expect(answers == Array(repeating: .text(Self.text), count: 4))
        }
        simulation.expectNothingLeft()
    }

    /// Behind a message in fragments, and in its order among those that wait as well.
    @Test func aPreparedMessageWaitsForTheEndOfAMessageInFragments() throws {
        let feed = try Feed()
        let update = PreparedMessage(Self.text)
        let servers = feed.servers.values
        let texts = servers.map { _ in AsyncStream.makeStream(of: String.self) }
        let streams = zip(servers, texts).map { socket, text in
            feed.simulation.start { try await socket.send(textFragments: text.stream, compress: .always) }
        }
        for text in texts { text.continuation.yield("in ") }
        feed.simulation.run()
        for socket in servers { socket.enqueue(update) }
        feed.simulation.run()
        for text in texts {
            text.continuation.yield("fragments")
            text.continuation.finish()
        }
        feed.simulation.run()
        for stream in streams { _ = try stream.value }
        for messages in try feed.close() { #expect(messages == [.text("in fragments"), .text(Self.text)]) }
    }

    @Test func aMessageIsCompressedOnceForTheSameWindow() throws {
        let feed = try Feed()
        let update = PreparedMessage(Self.text)
        let servers = feed.servers.values
        for socket in servers { socket.enqueue(update) }
        feed.simulation.run()
        let variants = servers.compactMap { socket in
            update.compressed(for: socket.connection.endpoint)?.withUnsafeReadableBytes { $0.baseAddress }
        }
        // The servers' windows are 15, 15, 15, 8, 9, 12 and 12.
        #expect(variants.count == 7 && Set(variants).count == 4)
        for messages in try feed.close() { #expect(messages == [.text(Self.text)]) }
    }

    /// The engine wakes a connection for it, whoever used its compressor or decompressor last.
    @Test func idleConnectionsKeepTheirWindowsAlone() throws {
        let feed = try Feed()
        let simulation = feed.simulation
        // Context takeover on both sides.
        let server = feed.servers.values[1]
        let client = feed.clients[1]
        func memory() -> [Int] {
            [server, client].map { $0.connection.endpoint.pointee.compressionMemory }
        }
        #expect(memory() == [0, 0])
        _ = try simulation.value { try await server.send(Self.text) }
        simulation.run()
        #expect(memory().allSatisfy { $0 > 20_000 || $0 > 2 * Self.text.utf8.count })
        // A loop sweeps its deadlines every quarter of a second.
        simulation.advance(by: .milliseconds(10_251))
        #expect(memory() == [Self.text.utf8.count, Self.text.utf8.count])
        _ = try simulation.value { try await client.send(Self.text) }
        simulation.advance(by: .milliseconds(10_251))
        #expect(memory() == [2 * Self.text.utf8.count, 2 * Self.text.utf8.count])
        #expect(feed.receivedByServers.values == [.text(Self.text)])
        let received = try feed.close()
        #expect(received[1] == [.text(Self.text)])
    }

    @Test func withoutMemoryItIsSentAsItIs() throws {
        let budget = CompressionBudget(limit: 1)
        let feed = try Feed(budget: budget)
        let servers = feed.servers.values
        // Takes the budget, so that no compressor can be made for another window.
        _ = try feed.simulation.value { try await servers[1].send(Self.text, compress: .always) }
        #expect(budget.isExhausted)
        let update = PreparedMessage(Self.text)
        for socket in servers.dropFirst(2) { socket.enqueue(update) }
        feed.simulation.run()
        let received = try feed.close()
        #expect(received.dropFirst().allSatisfy { $0 == [.text(Self.text)] } && received[0].isEmpty)
    }

    @Test func aConnectionThatIsClosingTakesNone() throws {
        let feed = try Feed()
        let servers = feed.servers.values
        _ = try feed.close()
        for socket in servers { #expect(socket.enqueue(PreparedMessage(Self.text)) == .closed) }
    }
}

/// Sends an update at the beginning and upon each message.
private struct OnLoopFeed: OnLoopHandler {
    let update: PreparedMessage

    func opened(_ socket: OnLoopWebSocket) { socket.send(update) }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) { socket.send(update) }
}
