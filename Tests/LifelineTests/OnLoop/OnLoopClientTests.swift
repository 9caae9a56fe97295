import LifelineCore
import Logging
import NIOCore
import Testing

@testable import Lifeline

@Suite("On-loop clients over sockets", .tags(.sockets), .offThePool, .timeLimit(.minutes(3)))
struct OnLoopClientTests {
    /// Sends a number of messages, one after the other came back, and closes.
    private final class Counting: OnLoopHandler {
        let wanted: Int
        let seen: Collected<String>
        private var count = 0

        init(_ wanted: Int, _ seen: Collected<String>) {
            self.wanted = wanted
            self.seen = seen
        }

        func opened(_ socket: OnLoopWebSocket) {
            seen.append("opened \(socket.handshake.response.status.code)")
            #expect(socket.webSocket.handle.loop.isOnLoop)
            socket.send("message 0")
        }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            #expect(socket.webSocket.handle.loop.isOnLoop)
            let text = message.text
            #expect(text == "message \(count)")
            count += 1
            if count < wanted {
                socket.send("message \(count)")
            } else {
                #expect(throws: Never.self) { try socket.close(reason: "enough") }
            }
        }

        func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
            seen.append("closed after \(count)")
        }
    }

    /// Every engine that is to be had here.
    static let engines: [WebSocketEngine] = WebSocketEngine.all.filter { engine in
        (try? EngineFactory.engine(engine, loopCount: nil, usesTLS: false, Logger(label: "test"))) != nil
    }

    private static func configuration(_ engine: WebSocketEngine = .automatic) -> WebSocketClientConfiguration {
        var configuration = WebSocketClientConfiguration()
        configuration.engine = engine
        return configuration
    }

    @Test("An on-loop handler is called from the opening to the end, on its loop", arguments: engines)
    func fromTheOpeningToTheEnd(engine: WebSocketEngine) async throws {
        let seen = Collected<String>()
        try await SocketEchoTests.server().withServer { address in
            let outcome = try await WebSocketClient.connectOnLoop(
                to: "ws://\(address)/loop", configuration: Self.configuration(engine)
            ) { _ in Counting(100, seen) }
            #expect(outcome.isClean && outcome.initiator == .local && outcome.sent?.reason == "enough")
        }
        #expect(seen.values == ["opened 101", "closed after 100"])
    }

    @Test("§4.1 messages that follow the 101 at once reach the handler", arguments: engines)
    func messagesBehindTheAnswer(engine: WebSocketEngine) async throws {
        let seen = Collected<String>()
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            for number in 0..<3 { try await socket.send("early \(number)") }
        }
        try await server.withServer { address in
            let outcome = try await WebSocketClient.connectOnLoop(
                to: "ws://\(address)/", configuration: Self.configuration(engine)
            ) { _ in Listening(seen) }
            #expect(outcome.isClean && outcome.initiator == .peer)
        }
        #expect(seen.values == ["early 0", "early 1", "early 2", "closed 1000"])
    }

    private struct Listening: OnLoopHandler {
        let seen: Collected<String>

        init(_ seen: Collected<String>) {
            self.seen = seen
        }

        func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
            seen.append(message.text)
        }

        func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
            seen.append("closed \(outcome.code.rawValue)")
        }
    }

    @Test("An on-loop client exchanges messages over TLS")
    func overTLS() async throws {
        let seen = Collected<String>()
        try await SocketEchoTests.server { $0.tls = TestCertificate.server }.withServer { address in
            var configuration = Self.configuration()
            configuration.tls.trustedRoots = TestCertificate.certificate
            let outcome = try await WebSocketClient.connectOnLoop(
                to: "wss://localhost:\(address.port ?? 0)/loop", configuration: configuration
            ) { _ in Counting(3, seen) }
            #expect(outcome.isClean)
        }
        #expect(seen.values == ["opened 101", "closed after 3"])
    }

    @Test("§7.4.1 a cancelled connectOnLoop closes with 1001")
    func aCancelledTaskClosesWith1001() async throws {
        let seen = Collected<String>()
        let codes = Collected<UInt16>()
        var server = WebSocketServer.forTests()
        server.route("/") { socket in
            try await socket.send("ready")
            while try await socket.receive({ _ in }) != nil {}
            if let outcome = await socket.outcome { codes.append(outcome.code.rawValue) }
        }
        try await server.withServer { address in
            let task = Task { () throws(WebSocketError) in
                try await WebSocketClient.connectOnLoop(to: "ws://\(address)/") { _ in Listening(seen) }
            }
            _ = try await seen.values(1)
            task.cancel()
            let outcome = try await task.value
            #expect(outcome.isClean && outcome.sent?.code == .goingAway)
        }
        #expect(codes.values == [1001])
    }

    @Test("A refused handshake makes no handler")
    func aRefusalMakesNoHandler() async throws {
        let seen = Collected<String>()
        try await SocketEchoTests.server().withServer { address in
            let error = await #expect(throws: WebSocketError.self) {
                try await WebSocketClient.connectOnLoop(to: "ws://\(address)/nowhere") { _ in Listening(seen) }
            }
            #expect(error?.code == .handshakeRefused)
        }
        #expect(seen.values.isEmpty)
    }

    @Test("A port without a server gives .connectFailed")
    func aPortWithoutServer() async throws {
        let error = await #expect(throws: WebSocketError.self) {
            try await WebSocketClient.connectOnLoop(to: "ws://127.0.0.1:1/") { _ in OnLoopEcho() }
        }
        #expect(error?.code == .connectFailed)
    }

    @Test("§7.1.5 connectOnLoop returns the outcome of an abnormal end")
    func anAbnormalEndIsAnOutcome() async throws {
        let seen = Collected<String>()
        var server = WebSocketServer.forTests { $0.shutdownTimeout = .milliseconds(100) }
        server.route("/") { socket in
            try await socket.send("ready")
            socket.handle.abort("a test")
        }
        try await server.withServer { address in
            let outcome = try await WebSocketClient.connectOnLoop(to: "ws://\(address)/") { _ in Listening(seen) }
            #expect(!outcome.isClean && outcome.code == .abnormalClosure)
        }
        #expect(seen.values.last == "closed 1006")
    }

    @Test("A client can open connections on chosen loops")
    func chosenLoops() async throws {
        let seen = Collected<String>()
        try await SocketEchoTests.server().withServer { address in
            let loops = try ClientLoops(.automatic, count: 2, usesTLS: false)
            #expect(loops.executors.count == 2)
            let url = try WebSocketURL("ws://\(address)/loop")
            for index in 0..<2 {
                let socket = try await loops.open(url, Self.configuration(), on: index) { _ in Listening(seen) }
                await withUnsafeContinuation { continuation in
                    loops.execute(on: index) {
                        // On the connection's loop, and what is sent leaves with the turn.
                        #expect(socket.handle.loop.isOnLoop)
                        OnLoopWebSocket(handle: socket.handle, handshake: socket.handshake).send(
                            "loop \(index)")
                        continuation.resume()
                    }
                }
                _ = try await seen.values(2 * index + 1)
                #expect(try await socket.close().isClean)
                _ = try await seen.values(2 * index + 2)
            }
        }
        #expect(seen.values == ["loop 0", "closed 1000", "loop 1", "closed 1000"])
    }
}
