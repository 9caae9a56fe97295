import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Large messages over real sockets: the Linux engine receives them where they are put together, and none of it may be
/// seen from outside.
@Suite("Large messages over sockets", .tags(.sockets), .offThePoolForMuch, .serialized, .timeLimit(.minutes(3)))
struct LargeMessageTests {
    static let limit = 4 << 20

    static func server() -> WebSocketServer {
        SocketEchoTests.server {
            $0.endpoint.maximumMessageSize = limit
            $0.endpoint.maximumFrameSize = limit
        }
    }

    /// Bytes in which a piece out of its place would be seen. They repeat after a multiple of four of them, so that they
    /// can be masked a block at a time: all tests over sockets share a thread, and masking takes its time without
    /// optimisation.
    static func payload(_ count: Int, seed: Int = 0) -> [UInt8] {
        repeated(block(seed), count)
    }

    /// A client's frame with such a payload.
    static func frame(_ count: Int, seed: Int = 0) -> [UInt8] {
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        let header = WireFrame(opcode: 2, maskingKey: key, payload: [], declaredLength: UInt64(count)).bytes
        return header + repeated(block(seed).enumerated().map { $1 ^ key[$0 % 4] }, count)
    }

    private static let block = (0..<4 * 1021).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    private static func block(_ seed: Int) -> [UInt8] {
        let start = seed % block.count
        return Array(block[start...] + block[..<start])
    }

    private static func repeated(_ block: [UInt8], _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + block.count)
        while bytes.count < count { bytes += block }
        bytes.removeLast(bytes.count - count)
        return bytes
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

    @Test("Messages of all sizes come back in order, with Pings between them", arguments: SimulatedEchoTests.handlers)
    func inOrder(path: String) async throws {
        try await Self.server().withServer { address in
            var configuration = WebSocketClientConfiguration()
            configuration.endpoint.maximumMessageSize = Self.limit
            configuration.endpoint.maximumFrameSize = Self.limit
            try await WebSocketClient.connect(to: "ws://\(address)\(path)", configuration: configuration) { socket in
                let sizes = [
                    16_383, 16_384, 16_400, 40_000, 65_535, 65_536, 80_000, 200_000, 1, 1 << 20, 0, (1 << 20) + 7, 3, 2,
                    1, 0, 5, 1_500_000, 126, 500_000,
                ]
                for (number, size) in sizes.enumerated() {
                    let message = Self.payload(size, seed: number)
                    try await socket.send(ByteBuffer(bytes: message))
                    let isSame = try await socket.receive { $0.withUnsafeBytes { Array($0) == message } }
                    #expect(isSame == true, "\(size)")
                    if number.isMultiple(of: 4) { try await expectAlive(socket) }
                }
            }
        }
    }

    @Test("Messages that wait in the socket come back in order", arguments: SimulatedEchoTests.handlers)
    func behindOneAnother(path: String) async throws {
        try await Self.server().withServer { address in
            let client = try await Self.open(address, path)
            let sizes = (0..<12).map { $0 % 3 == 2 ? 10 * $0 : 60_000 * ($0 % 5 + 1) }
            client.send(sizes.enumerated().flatMap { Self.frame($1, seed: $0) })
            await Self.expectEchoes(sizes.enumerated().map { Self.payload($1, seed: $0) }, on: client)
            client.send(.close(1000))
            #expect(try await client.takeFrames(1).first?.closeCode == 1000)
            await client.close()
        }
    }

    @Test("Messages that arrive in pieces come back whole", arguments: SimulatedEchoTests.handlers)
    func inPieces(path: String) async throws {
        try await Self.server().withServer { address in
            let client = try await Self.open(address, path)
            var generator = SplitMix64(seed: 5)
            for round in 0..<4 {
                let size = 200_000 + round
                var bytes = (Self.frame(size, seed: round) + Self.frame(round, seed: round))[...]
                while !bytes.isEmpty {
                    let size = [700, 7000, 17_000, 90_000][Int(generator.next() % 4)]
                    client.send(Array(bytes.prefix(size)))
                    bytes = bytes.dropFirst(size)
                    if generator.next() % 2 == 0 { try await Task.sleep(for: .milliseconds(1)) }
                }
                await Self.expectEchoes(
                    [Self.payload(size, seed: round), Self.payload(round, seed: round)], on: client)
            }
            client.send(.close(1000))
            await client.ended()
            await client.close()
        }
    }

    @Test("Large messages on many connections come back whole")
    func onManyConnections() async throws {
        try await Self.server().withServer { address in
            var clients: [RawSocket] = []
            for number in 0..<12 {
                clients.append(try await Self.open(address, SimulatedEchoTests.handlers[number % 2]))
            }
            let frames = (0..<12).map { Self.frame(400_000, seed: 300 * $0) }
            for piece in 0..<10 {
                for (client, frame) in zip(clients, frames) {
                    client.send(Array(frame[(piece * frame.count / 10)..<((piece + 1) * frame.count / 10)]))
                }
                try await Task.sleep(for: .milliseconds(1))
            }
            for (number, client) in clients.enumerated() {
                await Self.expectEchoes([Self.payload(400_000, seed: 300 * number)], on: client)
                await client.close()
            }
        }
    }

    @Test("§8.1 invalid UTF-8 far inside a large message is answered with 1007", arguments: SimulatedEchoTests.handlers)
    func badTextFarInside(path: String) async throws {
        try await Self.server().withBystander { address in
            let client = try await Self.open(address, path)
            // Not all that is announced is sent: the first bad byte is enough.
            let header = WireFrame(opcode: 1, maskingKey: [0, 0, 0, 0], payload: [], declaredLength: 800_000).bytes
            client.send(header + Array(repeating: UInt8(ascii: "a"), count: 600_000) + [0xFF, 0x61])
            #expect(try await client.takeFrames(1).first?.closeCode == 1007)
            await client.close()
        }
    }

    @Test(
        "A peer that leaves inside a large message does not affect other connections", arguments: [false, true],
        [20_000, 100_000, 700_000])
    func theEndInside(reset: Bool, sent: Int) async throws {
        try await Self.server().withBystander { address in
            let client = try await Self.open(address, "/loop")
            client.send(Array(Self.frame(1 << 20).prefix(sent)))
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

    @Test("A busy handler receives large messages later, and whole")
    func aBusyHandler() async throws {
        let gate = Gate()
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            try await gate.wait()
            try await echo(socket)
        }
        try await server.withServer { address in
            let client = try await Self.open(address, "/")
            client.send((0..<8).flatMap { Self.frame(300_000, seed: $0) })
            try await Task.sleep(for: .milliseconds(50))
            gate.open()
            await Self.expectEchoes((0..<8).map { Self.payload(300_000, seed: $0) }, on: client)
            await client.close()
        }
    }

    @Test("A handler can receive a large message in chunks after a whole one")
    func inParts() async throws {
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
            client.send(Self.frame(500_000) + Self.frame(400_000) + Self.frame(7))
            #expect(try await client.takeFrames(2).map(\.text) == ["400000", "7"])
            await client.close()
        }
    }
}
