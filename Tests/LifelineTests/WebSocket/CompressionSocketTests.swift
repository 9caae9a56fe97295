import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// permessage-deflate between Lifeline's clients and servers, on real loops.
@Suite("Compression over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct CompressionSocketTests {
    // MARK: Messages

    /// A mebibyte that looks like what programs tell each other, and one of noise.
    static let json = String(
        (0..<20_000).lazy.map { #"{"id":\#($0),"name":"sensor-\#($0 % 17)","value":\#($0 &* 7919 % 1000)}"# }
            .joined(separator: ",").prefix(1 << 20))
    static let noise: [UInt8] = {
        var generator = SplitMix64(seed: 7692)
        return generator.bytes(1 << 20)
    }()

    static let messages: [WebSocketMessage] = [
        .text(""), .text("hello"), .text("hello"), .binary([]), .text(String(json.prefix(200))),
        .text(String(json.prefix(5000))), .text(String(json.prefix(5000))), .text(json),
        .binary(ByteBuffer(bytes: noise.prefix(1000))), .binary(ByteBuffer(bytes: noise.prefix(1000))),
        .binary(ByteBuffer(bytes: noise)), .text("the end"),
    ]

    static let size = messages.reduce(0) { $0 + $1.buffer.readableBytes }

    // MARK: Settings

    /// What is asked for; `nil` for no compression.
    static let parameters: [PerMessageDeflate?] = [
        nil, PerMessageDeflate(), PerMessageDeflate(serverNoContextTakeover: true, clientNoContextTakeover: true),
        PerMessageDeflate(serverNoContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 12),
        PerMessageDeflate(clientNoContextTakeover: true, serverMaxWindowBits: 8, clientMaxWindowBits: 8),
    ]

    static func client(_ parameters: PerMessageDeflate?) -> WebSocketClientConfiguration {
        var configuration = WebSocketClientConfiguration()
        set(parameters, of: &configuration.endpoint)
        return configuration
    }

    static func set(_ parameters: PerMessageDeflate?, of configuration: inout EndpointConfiguration) {
        if let parameters {
            configuration.compression?.parameters = parameters
        } else {
            configuration.compression = nil
        }
    }

    /// A server that leaves all to its clients.
    static func server(_ configure: (inout WebSocketServerConfiguration) -> Void = { _ in }) -> WebSocketServer {
        SocketEchoTests.server {
            $0.endpoint.compression?.parameters = PerMessageDeflate()
            $0.endpoint.compression?.maximumSize = nil
            configure(&$0)
        }
    }

    // MARK: Both faces

    @Test("RFC 7692 every message comes back with every agreement", arguments: SimulatedEchoTests.handlers, parameters)
    func everyMessageComesBack(path: String, asked: PerMessageDeflate?) async throws {
        try await Self.server().withServer { address in
            let url = "ws://\(address)\(path)"
            try await WebSocketClient.connect(to: url, configuration: Self.client(asked)) { socket in
                #expect(socket.handshake.compression == asked)
                for message in Self.messages {
                    try await socket.send(message, compress: .always)
                    #expect(try await socket.receiveCopy() == message)
                }
                await Self.expectStatistics(socket, asked)
            }
        }
    }

    /// Checks what a client has sent and an echo has sent back of ``messages``.
    nonisolated(nonsending) static func expectStatistics(_ socket: WebSocket, _ agreed: PerMessageDeflate?) async {
        let statistics = await socket.compressionStatistics
        #expect(statistics.sentBytes == (agreed == nil ? 0 : size))
        // The echo leaves out what is small and what is noise.
        let worthwhile = messages.filter { $0.kind == .text && $0.buffer.readableBytes >= 128 }
        #expect(
            statistics.receivedBytes
                == (agreed == nil ? 0 : worthwhile.reduce(0) { $0 + $1.buffer.readableBytes }))
        guard agreed != nil else { return }
        #expect(statistics.receivedRatio ?? 0 > 1.5 && statistics.sentWireBytes < size, "\(statistics)")
    }

    @Test("RFC 7692 an on-loop client and an on-loop server exchange every message", arguments: parameters)
    func bothSidesOnTheirLoops(asked: PerMessageDeflate?) async throws {
        let seen = Collected<WebSocketMessage>()
        let agreed = Collected<PerMessageDeflate?>()
        try await Self.server().withServer { address in
            let outcome = try await WebSocketClient.connectOnLoop(
                to: "ws://\(address)/loop", configuration: Self.client(asked)
            ) { _ in OneByOne(messages: Self.messages, seen: seen, agreed: agreed) }
            #expect(outcome.isClean)
        }
        #expect(seen.values == Self.messages)
        #expect(agreed.values == [asked])
    }

    /// Sends messages, one after the other came back, and closes.
    private final class OneByOne: OnLoopHandler {
        private let messages: [WebSocketMessage]
        private let seen: Collected<WebSocketMessage>
        private let agreed: Collected<PerMessageDeflate?>
        private var count = 0

        init(messages: [WebSocketMessage], seen: Collected<WebSocketMessage>, agreed: Collected<PerMessageDeflate?>) {
            self.messages = messages
            self.seen = seen
            self.agreed = agreed
        }

        func opened(_ socket: OnLoopWebSocket) {
            agreed.append(socket.handshake.compression)
            sendNext(on: socket)
        }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            seen.append(message.copy)
            count += 1
            if count < messages.count { sendNext(on: socket) } else { try? socket.close() }
        }

        private func sendNext(on socket: OnLoopWebSocket) {
            switch messages[count] {
            case .text(let text): socket.send(text, compress: .always)
            case .binary(let bytes):
                bytes.withUnsafeReadableBytes { _ = socket.send(binary: RawSpan(_unsafeBytes: $0), compress: .always) }
            }
        }
    }

    @Test("RFC 7692 connections with different agreements can share a loop")
    func manyConnectionsShareTheLoops() async throws {
        try await Self.server { $0.loopCount = 2 }.withServer { address in
            try await withThrowingTaskGroup { group in
                for number in 0..<20 {
                    group.addTask {
                        let asked = Self.parameters[number % Self.parameters.count]
                        let url = "ws://\(address)\(SimulatedEchoTests.handlers[number % 3])"
                        try await WebSocketClient.connect(to: url, configuration: Self.client(asked)) { socket in
                            for round in 0..<30 {
                                let text = "\(number) \(round) " + Self.json.prefix(round * 37)
                                try await socket.send(text, compress: round % 3 == 0 ? .automatic : .always)
                                #expect(try await socket.receive { $0.text } == text)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    // MARK: Streaming

    @Test(
        "RFC 7692 §7.2.1 each compressed fragment can be read before the next is sent, in both directions",
        arguments: parameters)
    func fragmentsStreamBothWays(asked: PerMessageDeflate?) async throws {
        var server = Self.server()
        server.route("/stream") { socket in
            for try await message in socket.incoming {
                try await socket.send(fragments: message, compress: .always)
            }
        }
        let text = Array(Self.json.utf8)
        let fragments = [text[..<1], text[1..<60_000], Self.noise[..<70_000], [], text[60_000..<300_000]]
        try await server.withServer { address in
            let url = "ws://\(address)/stream"
            try await WebSocketClient.connect(to: url, configuration: Self.client(asked)) { socket in
                for _ in 0..<2 {
                    try await Self.exchange(fragments.map { ByteBuffer(bytes: $0) }, socket)
                }
                let total = 2 * fragments.reduce(0) { $0 + $1.count }
                let statistics = await socket.compressionStatistics
                #expect(statistics.sentBytes == (asked == nil ? 0 : total))
                #expect(statistics.receivedBytes == (asked == nil ? 0 : total))
            }
        }
    }

    /// Sends a message in fragments, each once all of the one before has come back.
    private static func exchange(_ fragments: [ByteBuffer], _ socket: WebSocket) async throws {
        let (stream, feed) = AsyncStream.makeStream(of: ByteBuffer.self)
        async let sending: Void = socket.send(fragments: stream, compress: .always)
        var next = 0
        while fragments[next].readableBytes == 0 { next += 1 }
        feed.yield(fragments[next])
        var expected = fragments[next]
        for try await message in socket.incoming {
            var received = ByteBuffer()
            for try await chunk in message {
                received.writeImmutableBuffer(chunk)
                guard received.readableBytes == expected.readableBytes else { continue }
                #expect(received == expected)
                next += 1
                // An empty fragment makes no chunk.
                while next < fragments.count, fragments[next].readableBytes == 0 {
                    feed.yield(fragments[next])
                    next += 1
                }
                if next < fragments.count {
                    feed.yield(fragments[next])
                    expected.writeImmutableBuffer(fragments[next])
                } else {
                    feed.finish()
                }
            }
            #expect(received == expected)
            break
        }
        try await sending
    }

    // MARK: Prepared messages

    @Test("RFC 7692 a prepared message reaches connections of every agreement")
    func preparedMessagesFitEveryAgreement() async throws {
        let sockets = Collected<WebSocket>()
        var server = Self.server()
        server.route("/push") { socket in
            sockets.append(socket)
            try await socket.send("welcome to \(Self.json.prefix(1000))")
            for try await _ in socket {}
        }
        let asked = Self.parameters + Self.parameters
        let large = WebSocketMessage.text(Self.json)
        let pushed: [WebSocketMessage] = [
            .text(String(Self.json.prefix(1000))), .text(""), large,
            .binary(ByteBuffer(bytes: Self.noise.prefix(3000))),
            .text(String(Self.json.dropFirst(500).prefix(1000))),
        ]
        try await server.withServer { address in
            try await withThrowingTaskGroup { group in
                for parameters in asked {
                    group.addTask {
                        let url = "ws://\(address)/push"
                        try await WebSocketClient.connect(to: url, configuration: Self.client(parameters)) { socket in
                            let messages = try await socket.all()
                            #expect(messages.first == .text("welcome to \(Self.json.prefix(1000))"))
                            #expect(messages.dropFirst() == pushed.flatMap { [$0, .text("your own")] }[...])
                            let received = await socket.compressionStatistics.receivedBytes
                            #expect((received > large.buffer.readableBytes) == (parameters != nil))
                        }
                    }
                }
                let all = try await sockets.values(asked.count)
                for message in pushed {
                    let prepared = PreparedMessage(message)
                    for socket in all {
                        try await socket.send(prepared)
                        try await socket.send("your own", compress: .always)
                    }
                }
                for socket in all { try await socket.close() }
                try await group.waitForAll()
            }
        }
    }

    // MARK: Limits

    @Test(
        "A small frame may inflate to maximumMessageSize, and is answered with 1009 beyond it",
        arguments: SimulatedEchoTests.handlers, [0, 1])
    func anInflatedMessageAboveTheLimitIsRefused(path: String, excess: Int) async throws {
        try await Self.server().withBystander { address in
            let url = "ws://\(address)\(path)"
            let bomb = ByteBuffer(repeating: 0, count: 1 << 20 + excess)
            let outcome = try await WebSocketClient.connect(
                to: url, configuration: Self.client(PerMessageDeflate())
            ) { socket in
                try await socket.send(bomb, compress: .always)
                #expect(await socket.compressionStatistics.sentWireBytes < 2000)
                if excess == 0 {
                    #expect(try await socket.receiveCopy() == .binary(bomb))
                    return await socket.outcome
                }
                await #expect(throws: WebSocketError.self) { try await socket.receiveCopy() }
                return await socket.outcome
            }
            #expect(outcome?.received?.code == (excess == 0 ? nil : .messageTooBig))
        }
    }

    @Test("Fragments that inflate beyond a client's maximumMessageSize are answered with 1009")
    func inflatedFragmentsAboveTheLimitAreRefused() async throws {
        let outcomes = Collected<CloseOutcome>()
        var server = Self.server()
        server.route("/bomb") { socket in
            let fragments = AsyncStream { feed in
                for _ in 0..<11 { feed.yield(ByteBuffer(repeating: 0, count: 10_000)) }
                feed.finish()
            }
            try? await socket.send(fragments: fragments, compress: .always)
            while (try? await socket.receiveCopy()) != nil {}
            if let outcome = await socket.outcome { outcomes.append(outcome) }
        }
        try await server.withServer { address in
            var configuration = Self.client(PerMessageDeflate())
            configuration.endpoint.maximumMessageSize = 100_000
            await #expect(throws: WebSocketError.self) {
                try await WebSocketClient.connect(to: "ws://\(address)/bomb", configuration: configuration) {
                    while try await $0.receiveCopy() != nil {}
                }
            }
            let codes = try await outcomes.values(1).map(\.received?.code)
            #expect(codes == [.messageTooBig])
        }
    }

    // MARK: Without

    enum Without: CaseIterable {
        case onTheClient
        case onTheServer
        case budget
    }

    @Test("RFC 7692 §5.1 nothing is compressed when one side does not want compression", arguments: Without.allCases)
    func nothingIsCompressed(without: Without) async throws {
        let server = Self.server {
            switch without {
            case .onTheClient: break
            case .onTheServer: $0.endpoint.compression = nil
            case .budget: $0.endpoint.compression?.budget = CompressionBudget(limit: 0)
            }
        }
        try await server.withServer { address in
            let configuration = Self.client(without == .onTheClient ? nil : PerMessageDeflate())
            try await WebSocketClient.connect(to: "ws://\(address)/task", configuration: configuration) { socket in
                #expect(socket.handshake.compression == nil && socket.handshake.extensions.isEmpty)
                for message in Self.messages {
                    try await socket.send(message, compress: .always)
                    #expect(try await socket.receiveCopy() == message)
                }
                await Self.expectStatistics(socket, nil)
            }
        }
    }
}
