import NIOCore
import Testing

@testable import Lifeline

/// Large messages over real sockets: the Linux engine receives them where they are put together, and none of it may be
/// seen from outside.
@Suite("Large messages over sockets", .offThePool, .serialized, .timeLimit(.minutes(3)))
struct LargeMessageTests {
    static let limit = 4 << 20

    static func server() -> WebSocketServer {
        SocketEchoTests.server {
            $0.endpoint.maximumMessageSize = limit
            $0.endpoint.maximumFrameSize = limit
        }
    }

    /// Bytes in which a piece out of its place would be seen.
    static func payload(_ count: Int, seed: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 31 &+ ($0 &+ seed) >> 8) }
    }

    static func open(_ address: ServerAddress, _ path: String) async throws -> RawSocket {
        let client = try await RawSocket.connect(to: address)
        client.send(.request(path))
        #expect(await client.takeHead().hasPrefix("HTTP/1.1 101 "))
        return client
    }

    /// Receives as many bytes as the server sends for messages, and checks that they are those.
    static func expectEchoes(
        _ messages: [[UInt8]], on client: RawSocket, sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let expected = messages.flatMap { WireFrame.binary($0).unmasked.bytes }
        await client.wait { $0.count >= expected.count }
        // Not in the expectation: a failure would print megabytes.
        let isSame = client.takeBytes(expected.count) == expected
        #expect(isSame, sourceLocation: sourceLocation)
    }

    /// Messages of sizes around those at which the ways of receiving change, with small ones and Pings between them.
    @Test(arguments: SimulatedEchoTests.handlers) func inOrder(path: String) async throws {
        try await Self.server().withServer { address in
            var configuration = WebSocketClientConfiguration()
            configuration.endpoint.maximumMessageSize = Self.limit
            configuration.endpoint.maximumFrameSize = Self.limit
            try await WebSocketClient.connect(to: "ws://\(address)\(path)", configuration: configuration) { socket in
                let sizes = [
                    16_383, 16_384, 16_400, 40_000, 65_535, 65_536, 80_000, 200_000, 1, 1 << 20, 0, (1 << 20) + 7, 3, 2,
                    1, 0, 5, 3_000_000, 126, 500_000,
                ]
                for (number, size) in sizes.enumerated() {
                    let message = Self.payload(size, seed: number)
                    try await socket.send(ByteBuffer(bytes: message))
                    let isSame = try await socket.receive { $0.withUnsafeBytes { $0.elementsEqual(message) } }
                    #expect(isSame == true, "\(size)")
                    if number.isMultiple(of: 4) { try await expectAlive(socket) }
                }
            }
        }
    }

    /// All at once, so that messages, large and small, wait in the socket behind one another.
    @Test(arguments: SimulatedEchoTests.handlers) func behindOneAnother(path: String) async throws {
        try await Self.server().withServer { address in
            let client = try await Self.open(address, path)
            let messages = (0..<12).map { Self.payload($0 % 3 == 2 ? 10 * $0 : 60_000 * ($0 % 5 + 1), seed: $0) }
            client.send(messages.flatMap { WireFrame.binary($0).bytes })
            await Self.expectEchoes(messages, on: client)
            client.send(.close(1000))
            #expect(try await client.takeFrames(1).first?.closeCode == 1000)
            await client.close()
        }
    }

    /// In pieces with time between them, which end anywhere: in headers, in windows, in what is read between.
    @Test(arguments: SimulatedEchoTests.handlers) func inPieces(path: String) async throws {
        try await Self.server().withServer { address in
            let client = try await Self.open(address, path)
            var generator = SplitMix64(seed: 5)
            for round in 0..<4 {
                let message = Self.payload(200_000 + round, seed: round)
                let small = Self.payload(round, seed: round)
                var bytes = (WireFrame.binary(message).bytes + WireFrame.binary(small).bytes)[...]
                while !bytes.isEmpty {
                    let size = [700, 7000, 17_000, 90_000][Int(generator.next() % 4)]
                    client.send(Array(bytes.prefix(size)))
                    bytes = bytes.dropFirst(size)
                    if generator.next() % 2 == 0 { try await Task.sleep(for: .milliseconds(1)) }
                }
                await Self.expectEchoes([message, small], on: client)
            }
            client.send(.close(1000))
            await client.ended()
            await client.close()
        }
    }

    /// Many connections at a time, whose messages are put together in memory of the same pool.
    @Test func onManyConnections() async throws {
        try await Self.server().withServer { address in
            var clients: [RawSocket] = []
            for number in 0..<12 {
                clients.append(try await Self.open(address, SimulatedEchoTests.handlers[number % 2]))
            }
            let messages = (0..<12).map { Self.payload(400_000, seed: 1000 * $0) }
            let frames = messages.map { WireFrame.binary($0).bytes }
            for piece in 0..<10 {
                for (client, frame) in zip(clients, frames) {
                    client.send(Array(frame[(piece * frame.count / 10)..<((piece + 1) * frame.count / 10)]))
                }
                try await Task.sleep(for: .milliseconds(1))
            }
            for (client, message) in zip(clients, messages) {
                await Self.expectEchoes([message], on: client)
                await client.close()
            }
        }
    }

    @Test(arguments: SimulatedEchoTests.handlers) func badTextFarInside(path: String) async throws {
        try await Self.server().withBystander { address in
            let client = try await Self.open(address, path)
            var bytes = Array(repeating: UInt8(ascii: "a"), count: 800_000)
            bytes[600_000] = 0xFF
            // Not all of it is sent: the first bad byte is enough.
            client.send(Array(WireFrame(opcode: 1, payload: bytes).bytes.prefix(700_000)))
            #expect(try await client.takeFrames(1).first?.closeCode == 1007)
            await client.close()
        }
    }

    /// The peer goes in the middle of a large message, politely or not.
    @Test(arguments: [false, true]) func theEndInside(reset: Bool) async throws {
        try await Self.server().withBystander { address in
            for sent in [20_000, 100_000, 700_000] {
                let client = try await Self.open(address, "/loop")
                client.send(Array(WireFrame.binary(Self.payload(1 << 20)).bytes.prefix(sent)))
                try await Task.sleep(for: .milliseconds(5))
                if reset {
                    try await client.reset()
                } else {
                    client.end()
                    await client.ended()
                    await client.close()
                }
            }
        }
    }

    /// A handler that does not receive makes the engine stop reading, in the middle of large messages too.
    @Test func aBusyHandler() async throws {
        let gate = Gate()
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            try await gate.wait()
            try await echo(socket)
        }
        try await server.withServer { address in
            let client = try await Self.open(address, "/")
            let messages = (0..<8).map { Self.payload(300_000, seed: $0) }
            client.send(messages.flatMap { WireFrame.binary($0).bytes })
            try await Task.sleep(for: .milliseconds(50))
            gate.open()
            await Self.expectEchoes(messages, on: client)
            await client.close()
        }
    }

    /// Who receives in parts gets them, whatever came whole before.
    @Test func inParts() async throws {
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            _ = try await socket.receive { $0.count }
            for try await message in socket.incoming {
                var sum = 0
                for try await part in message { sum += part.readableBytes }
                try await socket.send("\(sum)")
            }
        }
        try await server.withServer { address in
            let client = try await Self.open(address, "/")
            client.send(.binary(Self.payload(500_000)), .binary(Self.payload(400_000)), .binary(Self.payload(7)))
            #expect(try await client.takeFrames(2).map(\.text) == ["400000", "7"])
            await client.close()
        }
    }
}
