#if os(Linux)
import Foundation
import NIOCore
import Testing

@testable import Lifeline

/// Large payloads that are sent where they lie: io_uring may use their memory after the send, and after the connection.
@Suite("Large sends over sockets", .tags(.sockets), .offThePoolForMuch, .serialized, .timeLimit(.minutes(3)))
struct LargeSendTests {
    static let sizes = [
        UringTransport.minimumZeroCopySize - 1, UringTransport.minimumZeroCopySize, 100_000, 1, 900_000, 300_000,
    ]

    /// How long the last payload may take to arrive after `close`. The default of 10 s is short for a busy machine.
    static let closeTimeout = Duration.seconds(120)

    /// Sends payloads from one buffer, which is changed as soon as each has been sent.
    static let sender: WebSocketServer.Handler = { socket in
        var buffer = ByteBuffer()
        for (number, size) in sizes.enumerated() {
            buffer.clear()
            buffer.writeBytes(LargeMessageTests.payload(size, seed: number))
            try await socket.send(buffer)
        }
        buffer.clear()
        try await socket.close()
    }

    static func expectPayloads(on client: RawSocket, sourceLocation: SourceLocation = #_sourceLocation) async {
        await LargeMessageTests.expectEchoes(
            sizes.enumerated().map { LargeMessageTests.payload($1, seed: $0) }, on: client,
            sourceLocation: sourceLocation)
        client.send(.close(1000))
        await client.ended()
        await client.close()
    }

    /// Over a Unix domain socket the kernel cannot send without a copy, and says so when it is asked to.
    @Test(
        "A payload arrives unchanged over TCP and Unix domain sockets, although its buffer is reused after the send",
        arguments: [
            (.hostname("127.0.0.1", port: 0), 5), (.unixDomainSocket(path: "/tmp/lifeline-large-\(getpid()).sock"), 2),
        ] as [(ServerAddress, Int)])
    func unchanged(at address: ServerAddress, connections: Int) async throws {
        var server = WebSocketServer.forTests(at: address)
        server.configuration.endpoint.closeTimeout = Self.closeTimeout
        server.route("/", handler: Self.sender)
        try await server.withServer { address in
            for _ in 0..<connections { await Self.expectPayloads(on: try await LargeMessageTests.open(address, "/")) }
        }
    }

    @Test("The zero-copy send is given up where the kernel copies anyway")
    func onTheSameMachine() async throws {
        let seen = Collected<Bool>()
        var server = WebSocketServer.forTests()
        server.configuration.endpoint.closeTimeout = Self.closeTimeout
        server.route("/") { socket in
            try await socket.send(ByteBuffer(bytes: LargeMessageTests.payload(200_000)))
            // What comes after it has been received.
            _ = try await socket.receive { $0.count }
            for _ in 0..<100 {
                guard let transport = socket.connection.transport as? UringTransport else { return seen.append(false) }
                if !transport.sendsWithoutCopy { return seen.append(false) }
                try await Task.sleep(for: .milliseconds(10))
            }
            seen.append(true)
        }
        try await server.withServer { address in
            let client = try await LargeMessageTests.open(address, "/")
            await LargeMessageTests.expectEchoes([LargeMessageTests.payload(200_000)], on: client)
            client.send(.text("received"))
            #expect(try await seen.values(1) == [false])
            await client.close()
        }
    }

    @Test("A peer that leaves during a large send does not affect other connections", arguments: [false, true])
    func thePeerGoes(reset: Bool) async throws {
        var server = WebSocketServer.forTests { $0.endpoint.closeTimeout = .milliseconds(200) }
        server.route("/") { socket in
            for number in 0..<40 {
                try await socket.send(ByteBuffer(bytes: LargeMessageTests.payload(500_000, seed: number)))
            }
        }
        try await server.withBystander { address in
            for _ in 0..<6 {
                let client = try await RawSocket.connect(to: address)
                client.send(.request("/"))
                await client.wait { $0.count > 1000 }
                try await client.setReading(false)
                try await Task.sleep(for: .milliseconds(10))
                if reset { try await client.reset() } else { await client.close() }
            }
        }
    }

    @Test("A server can stop during large sends")
    func theServerStops() async throws {
        var server = WebSocketServer.forTests { $0.endpoint.closeTimeout = .milliseconds(200) }
        server.route("/") { socket in
            for number in 0..<40 {
                try await socket.send(ByteBuffer(bytes: LargeMessageTests.payload(500_000, seed: number)))
            }
        }
        var clients: [RawSocket] = []
        try await server.withServer { address in
            for _ in 0..<4 {
                let client = try await RawSocket.connect(to: address)
                client.send(.request("/"))
                await client.wait { $0.count > 1000 }
                try await client.setReading(false)
                clients.append(client)
            }
        }
        for client in clients { await client.close() }
    }
}
#endif
