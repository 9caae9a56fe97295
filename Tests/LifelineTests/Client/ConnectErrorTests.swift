import HTTPTypes
import LifelineCore
import NIOCore
import Testing

@testable import Lifeline

/// Why no connection comes about, over sockets.
@Suite("Connect errors over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct ConnectErrorTests {
    /// The error with which a connection to a URL fails.
    static func error(
        to url: String, configure: (inout WebSocketClientConfiguration) -> Void = { _ in }
    ) async -> WebSocketError? {
        var configuration = WebSocketClientConfiguration()
        configure(&configuration)
        return await TLSTests.error {
            try await WebSocketClient.connect(to: url, configuration: configuration) { _ in
                _ = Issue.record("no connection should have come about")
            }
        }
    }

    /// A port on which nothing listens: one that was free a moment ago.
    static func freePort() async throws -> Int {
        try await RawSocket.listen { _ in
        } _: {
            $0
        }
    }

    @Test("A port without a server gives .connectFailed")
    func aPortWithoutServer() async throws {
        let error = await Self.error(to: "ws://127.0.0.1:\(try await Self.freePort())/")
        #expect(error?.code == .connectFailed)
        #expect(error?.message.contains("nothing is listening") == true, "\(error?.message as Any)")
        #expect(error?.underlyingError != nil)
    }

    @Test("An unknown host name gives .connectFailed")
    func anUnknownName() async throws {
        let error = await Self.error(to: "ws://no-such-host.invalid/")
        #expect(error?.code == .connectFailed)
    }

    @Test(
        "§3 a text that is not a WebSocket URL gives .invalidRequest",
        arguments: [
            "http://a", "ws:/a", "ws://", "ws://a:0/", "ws://a:99999", "ws://a/#b", "ws://u:p@a/", "ws://a/ b", "",
        ])
    func anInvalidURL(url: String) async {
        #expect(await Self.error(to: url)?.code == .invalidRequest)
    }

    @Test("§4.1 a configuration that the request cannot carry gives .invalidRequest")
    func aRequestThatMayNotBeSent() async {
        let attempts: [(inout WebSocketClientConfiguration) -> Void] = [
            { $0.subprotocols = ["a\r\nb"] }, { $0.subprotocols = ["a", "a"] },
            { $0.headerFields[.secWebSocketKey] = "mine" },
        ]
        for configure in attempts {
            #expect(await Self.error(to: "ws://127.0.0.1:1/", configure: configure)?.code == .invalidRequest)
        }
    }

    @Test("A refusal gives .handshakeRefused with the response")
    func aRefusedPath() async throws {
        var server = WebSocketServer.forTests { $0.originPolicy = .oneOf(["https://good.example"]) }
        server.route("/echo", handler: echo)
        try await server.withBystander { address in
            let missing = await Self.error(to: "ws://\(address)/nowhere")
            #expect(missing?.code == .handshakeRefused)
            #expect(missing?.handshakeFailure?.response?.status == .notFound)
            let body = String(decoding: missing?.handshakeFailure?.body ?? [], as: UTF8.self)
            #expect(body.contains("no WebSocket"))
            let foreign = await Self.error(to: "ws://\(address)/echo") {
                $0.headerFields[.origin] = "https://evil.example"
            }
            #expect(foreign?.handshakeFailure?.response?.status == .forbidden)
            var configuration = WebSocketClientConfiguration()
            configuration.headerFields[.origin] = "https://good.example"
            try await WebSocketClient.connect(to: "ws://\(address)/echo", configuration: configuration) { _ in }
        }
    }

    @Test("§4.1 a redirect is reported and not followed")
    func aRedirectIsNotFollowed() async throws {
        try await RawSocket.listen { client in
            _ = await client.takeHead()
            client.send(
                "HTTP/1.1 301 Moved Permanently\r\nLocation: wss://elsewhere.example/\r\nContent-Length: 5\r\n\r\nmoved"
            )
        } _: { port in
            let error = await Self.error(to: "ws://127.0.0.1:\(port)/")
            #expect(error?.code == .handshakeRefused)
            #expect(error?.handshakeFailure?.response?.status == .movedPermanently)
            #expect(error?.handshakeFailure?.response?.headerFields[.location] == "wss://elsewhere.example/")
            #expect(error?.handshakeFailure?.body == Array("moved".utf8))
        }
    }

    @Test("A server that never answers gives .handshakeInterrupted at the deadline")
    func aServerThatNeverAnswers() async throws {
        let silent = Collected<RawSocket>()
        try await RawSocket.listen {
            silent.append($0)
        } _: { port in
            let error = await Self.error(to: "ws://127.0.0.1:\(port)/") {
                $0.endpoint.handshakeTimeout = .milliseconds(200)
            }
            #expect(error?.code == .handshakeInterrupted)
            #expect(error?.outcome?.failure == .handshakeTimedOut(after: .milliseconds(200)))
            let secure = await Self.error(to: "wss://127.0.0.1:\(port)/") {
                $0.endpoint.handshakeTimeout = .milliseconds(200)
            }
            #expect(secure?.code == .handshakeInterrupted)
            for client in try await silent.values(2) { await client.ended() }
        }
    }

    @Test("A server that disconnects before its answer gives .handshakeInterrupted", arguments: [false, true])
    func aServerThatDisconnects(resets: Bool) async throws {
        try await RawSocket.listen { client in
            _ = await client.takeHead()
            if resets { try await client.reset() } else { await client.close() }
        } _: { port in
            #expect(await Self.error(to: "ws://127.0.0.1:\(port)/")?.code == .handshakeInterrupted)
        }
    }

    // MARK: Cancellation

    /// A task that is cancelled learns so at once, at whichever stage.
    private func cancelled(_ url: String, after stage: () async throws -> Void) async throws -> WebSocketError? {
        let connecting = Task(executorPreference: OffThePool.executor) { await Self.error(to: url) }
        try await stage()
        connecting.cancel()
        return await connecting.value
    }

    @Test("A connect that is cancelled at once gives .cancelled")
    func aCancellationAtOnce() async throws {
        #expect(try await cancelled("ws://127.0.0.1:1/") {}?.code == .cancelled)
    }

    @Test(
        "A connect that is cancelled before the answer gives .cancelled, and closes its socket",
        arguments: ["ws", "wss"])
    func aCancellationBeforeTheAnswer(scheme: String) async throws {
        let clients = Collected<RawSocket>()
        try await RawSocket.listen {
            clients.append($0)
        } _: { port in
            let error = try await cancelled("\(scheme)://127.0.0.1:\(port)/") {
                let client = try await clients.values(1)[0]
                await client.wait { !$0.isEmpty }
            }
            #expect(error?.code == .cancelled)
            // Nothing stays behind.
            await clients.values[0].ended()
        }
    }

    @Test("§7.4.1 a cancellation in the handler closes with 1001")
    func aCancellationInTheHandler() async throws {
        let outcomes = Collected<CloseOutcome>()
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            for try await _ in socket {}
            if let outcome = await socket.outcome { outcomes.append(outcome) }
        }
        try await server.withServer { address in
            let isInside = Gate()
            let connecting = Task(executorPreference: OffThePool.executor) {
                try await WebSocketClient.connect(to: "ws://\(address)/") { socket in
                    isInside.open()
                    try await Gate().wait()
                }
            }
            try await isInside.wait()
            connecting.cancel()
            await #expect(throws: CancellationError.self) { try await connecting.value }
            #expect(try await outcomes.values(1).map(\.code) == [.goingAway])
        }
    }
}
