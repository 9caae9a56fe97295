import Foundation
import NIOCore
import Testing

@testable import Lifeline

@Suite("Echo over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct SocketEchoTests {
    static func server(_ configure: (inout WebSocketServerConfiguration) -> Void = { _ in }) -> WebSocketServer {
        var server = WebSocketServer.forTests(configure: configure)
        server.route("/task", handler: echo)
        server.route("/place", handler: echoInPlace)
        server.routeOnLoop("/loop") { _ in OnLoopEcho() }
        return server
    }

    static let messages: [WebSocketMessage] =
        SimulatedEchoTests.messages + [.binary(Array(repeating: 7, count: 900_000)), .text("the end")]

    /// Sends all messages and receives as many, from wherever the caller runs.
    nonisolated(nonsending) static func exchange(_ socket: WebSocket) async throws {
        for message in messages { try await socket.send(message) }
        for message in messages {
            let answer = try await socket.receive { $0.copy }
            #expect(answer == message)
        }
        try await expectAlive(socket)
        #expect(await socket.roundTripTime != nil)
    }

    @Test("Every message comes back over TCP", arguments: SimulatedEchoTests.handlers)
    func overTCP(path: String) async throws {
        try await Self.server().withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)\(path)") { try await Self.exchange($0) }
        }
    }

    @Test("Every message comes back over TLS", arguments: SimulatedEchoTests.handlers)
    func overTLS(path: String) async throws {
        try await Self.server { $0.tls = TestCertificate.server }.withServer { address in
            try await TLSTests.connect("localhost", address, path) { try await Self.exchange($0) }
        }
    }

    @Test("A message comes back over a Unix domain socket, and its file is removed at the end")
    func overAUnixDomainSocket() async throws {
        let path = "/tmp/lifeline-test-\(getpid()).sock"
        var server = WebSocketServer.forTests(at: .unixDomainSocket(path: path))
        let seen = Collected<String>()
        server.route("/echo") { socket in
            seen.append(socket.handshake.remoteAddress)
            try await echo(socket)
        }
        try await server.withServer { address in
            #expect(address.port == nil && "\(address)" == path)
            let client = try await RawSocket.connect(to: address)
            client.send(.request("/echo"))
            #expect(await client.takeHead().hasPrefix("HTTP/1.1 101 "))
            client.send(.text("over a file"), .close(1000))
            #expect(try await client.takeFrames(2).map(\.opcode) == [1, 8])
            await client.close()
        }
        #expect(seen.values == ["unix:"])
        #expect(access(path, F_OK) != 0, "the file is gone")
    }

    @MainActor @Test("A client on the main actor stays on it")
    func fromTheMainActor() async throws {
        try await Self.server().withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)/task") { socket in
                MainActor.assertIsolated()
                try await Self.exchange(socket)
                MainActor.assertIsolated()
                try await socket.send("iterated")
                for try await message in socket {
                    MainActor.assertIsolated()
                    #expect(message == .text("iterated"))
                    break
                }
                try await socket.send(
                    textFragments: AsyncStream { feed in
                        feed.yield("one ")
                        feed.yield("two")
                        feed.finish()
                    })
                var text = ""
                for try await message in socket.incoming {
                    for try await chunk in message { text += String(buffer: chunk) }
                    break
                }
                #expect(text == "one two")
                #expect(try await socket.close().isClean)
            }
        }
    }

    @Test("A client on an actor can use the actor's state")
    func fromAnActor() async throws {
        let visitor = Visitor()
        try await Self.server().withServer { try await visitor.visit($0) }
        #expect(await visitor.count == Self.messages.count)
    }

    private actor Visitor {
        var count = 0

        func visit(_ address: ServerAddress) async throws {
            try await WebSocketClient.connect(to: "ws://\(address)/place") { socket in
                for message in messages {
                    try await socket.send(message)
                    #expect(try await socket.receive { $0.copy } == message)
                    count += 1
                }
            }
        }
    }

    @Test("Two servers can run in one process")
    func twoServersInOneProcess() async throws {
        try await Self.server().withServer { one in
            try await Self.server { $0.loopCount = 2 }.withServer { other in
                #expect(one != other)
                for address in [one, other] {
                    try await WebSocketClient.connect(to: "ws://\(address)/loop") { try await Self.exchange($0) }
                }
            }
            try await WebSocketClient.connect(to: "ws://\(one)/loop") { try await Self.exchange($0) }
        }
    }

    @Test("Many clients at once receive their own answers")
    func manyClientsAtOnce() async throws {
        try await Self.server().withServer { address in
            try await withThrowingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        try await WebSocketClient.connect(to: "ws://\(address)/task") { socket in
                            for round in 0..<20 {
                                try await socket.send("\(number) \(round)")
                                #expect(try await socket.receive { $0.text } == "\(number) \(round)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("Several tasks can send and ping while another receives")
    func severalTasksOnOneConnection() async throws {
        try await Self.server().withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)/task") { socket in
                try await withThrowingTaskGroup { group in
                    for sender in 0..<8 {
                        group.addTask { for number in 0..<50 { try await socket.send("\(sender) \(number)") } }
                    }
                    group.addTask { for _ in 0..<20 { _ = try await socket.ping() } }
                    group.addTask {
                        var next = Array(repeating: 0, count: 8)
                        for _ in 0..<400 {
                            guard case .text(let text)? = try await socket.receiveCopy() else { break }
                            let parts = text.split(separator: " ").compactMap { Int($0) }
                            #expect(next[parts[0]] == parts[1], "each sender's messages keep their order")
                            next[parts[0]] += 1
                        }
                        #expect(next == Array(repeating: 50, count: 8))
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test("A slow reader receives everything that was sent before the end", arguments: [false, true])
    func aSlowReaderReceivesEverything(overTLS: Bool) async throws {
        var server = WebSocketServer.forTests { $0.tls = overTLS ? TestCertificate.server : nil }
        server.route("/") { socket in
            for number in 0..<100 { try await socket.send(ByteBuffer(repeating: UInt8(number), count: 100_000)) }
        }
        try await server.withServer { address in
            var configuration = WebSocketClientConfiguration()
            configuration.tls.trustedRoots = TestCertificate.certificate
            let url = overTLS ? "wss://localhost:\(address.port ?? 0)/" : "ws://\(address)/"
            let numbers = try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
                var numbers: [UInt8] = []
                for try await message in socket {
                    numbers.append(message.buffer.readableBytesView.first ?? 255)
                    if numbers.count.isMultiple(of: 10) { try await Task.sleep(for: .milliseconds(1)) }
                }
                #expect(await socket.outcome?.isClean == true)
                return numbers
            }
            #expect(numbers == Array(0..<100))
        }
    }
}
