import Lifeline
import Logging
import NIOCore

/// The demo's connection: a server and a client in this process, connected over TCP.
///
/// Each step waits until both sides have observed the one before.
struct Conversation {
    /// The server's next step. Without cues it would be too fast to follow.
    private enum Cue {
        /// Receive a message and answer it.
        case answer
        /// Send an update on its own.
        case push
    }

    private static let path = "/demo"
    private static let timeout = Duration.seconds(5)

    private let watch = WireWatch()

    /// Opens the connection, sends and receives, closes it, and reports each step.
    ///
    /// - Parameter report: Called with each step, in order, once both sides have observed it.
    /// - Returns: How the connection ended for the client.
    nonisolated(nonsending) func run(
        report: nonisolated(nonsending) (SeenStep) async throws -> Void
    ) async throws -> CloseOutcome {
        let (cues, cue) = AsyncStream.makeStream(of: Cue.self)
        return try await server(cues).withServer { address in
            // Lets the handler return before the server shuts down.
            defer { cue.finish() }
            var configuration = WebSocketClientConfiguration()
            configuration.observers = [watch]
            configuration.connectTimeout = Conversation.timeout
            configuration.endpoint.handshakeTimeout = Conversation.timeout
            configuration.endpoint.closeTimeout = Conversation.timeout
            configuration.endpoint.heartbeat.interval = nil
            let begin = ContinuousClock.now
            return try await WebSocketClient.connect(
                to: "ws://\(address)\(Conversation.path)", configuration: configuration
            ) { socket in
                try await report(watch.waitFor(.tcpConnect, begun: begin))
                try await report(watch.waitFor(.request))
                try await report(watch.waitFor(.response))
                try await talk(socket, cue, report)
                return try await end(socket, report)
            }
        }
    }

    /// The client's part: messages, a heartbeat, an update.
    private nonisolated(nonsending) func talk(
        _ socket: WebSocket, _ cue: AsyncStream<Cue>.Continuation,
        _ report: nonisolated(nonsending) (SeenStep) async throws -> Void
    ) async throws {
        try await socket.send("Hello, server!")
        try await report(watch.waitFor(.clientText))
        try await socket.send([0xCA, 0xFE, 0xF0, 0x0D])
        try await report(watch.waitFor(.clientBinary))
        cue.yield(.answer)
        try await report(watch.waitFor(.serverText))
        cue.yield(.answer)
        try await report(watch.waitFor(.serverBinary))

        // Runs beside the steps, which observe the Ping and the Pong.
        let ping = Task { try await socket.ping() }
        defer { ping.cancel() }
        try await report(watch.waitFor(.ping))
        var pong = try await watch.waitFor(.pong)
        pong.roundTrip = try await ping.value
        try await report(pong)

        cue.yield(.push)
        try await report(watch.waitFor(.push))
    }

    /// The closing handshake, and the end of TCP after it.
    private nonisolated(nonsending) func end(
        _ socket: WebSocket, _ report: nonisolated(nonsending) (SeenStep) async throws -> Void
    ) async throws -> CloseOutcome {
        let closing = Task { try await socket.close(code: .normalClosure, reason: "bye") }
        for step in [DemoStep.clientClose, .serverClose] { try await report(watch.waitFor(step)) }
        let (first, second) = (try await watch.waitFor(.serverFIN), try await watch.waitFor(.clientFIN))
        guard first.sent.time <= second.sent.time else {
            throw DemoFailure(description: "the client sent FIN before the server did")
        }
        try await report(first)
        try await report(second)
        let outcome = try await closing.value
        guard outcome.isClean, let peers = watch.outcome(of: .server), peers.isClean else {
            throw DemoFailure(description: "the connection did not end cleanly: \(outcome)")
        }
        return outcome
    }

    private func server(_ cues: AsyncStream<Cue>) -> WebSocketServer {
        var configuration = WebSocketServerConfiguration()
        configuration.observers = [watch]
        configuration.endpoint.handshakeTimeout = Conversation.timeout
        configuration.endpoint.closeTimeout = Conversation.timeout
        configuration.endpoint.heartbeat.interval = nil
        configuration.shutdownTimeout = Conversation.timeout
        configuration.logger = Logger(label: "lifeline.demo") { _ in SwiftLogNoOpLogHandler() }
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0), configuration: configuration)
        server.route(Conversation.path) { socket in
            for await cue in cues {
                switch cue {
                case .answer:
                    switch try await socket.receive({ $0.copy }) {
                    case .text?: try await socket.send("Hello, client!")
                    case .binary(let bytes)?: try await socket.send(bytes.readableBytesView.reversed())
                    case nil: return
                    }
                case .push: try await socket.send("It is \(Timestamp.now.timeOfDay) here")
                }
            }
        }
        return server
    }
}
