import Lifeline
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

// What the README and the articles show, so that it is compiled. `DocumentationTests` holds the two together.

func readmeClient() async throws {
    let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
        try await socket.send("hello")
        for try await message in socket {
            if case .text(let text) = message { return text }
        }
        return "the server closed first"
    }
    print(answer)
}

func readmeServer() async throws {
    var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
    server.route("/echo") { socket in
        for try await message in socket { try await socket.send(message) }
    }
    server.route("/push") { socket in
        for number in 1... {
            try await socket.send("update \(number)")
            try await Task.sleep(for: .seconds(1))
        }
    }
    try await server.run()
}

func connectAClient(url: String, token: String) async throws {
    let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
        try await socket.send("hello")
        return try await socket.receive { $0.text }
    }
    _ = answer

    do {
        try await WebSocketClient.connect(to: url) { socket in
            for try await message in socket { print(message) }
        }
    } catch let error as WebSocketError where error.code == .handshakeRefused {
        print("refused:", error.handshakeFailure?.response?.status ?? "no status")
    } catch let error as WebSocketError where error.code == .closed {
        print("ended:", error.outcome?.description ?? "")
    }

    var configuration = WebSocketClientConfiguration()
    configuration.subprotocols = ["chat.v2", "chat.v1"]
    configuration.headerFields[.authorization] = "Bearer \(token)"
    configuration.endpoint.maximumMessageSize = 1 << 20
    configuration.endpoint.heartbeat.interval = .seconds(10)
    configuration.tls.trustedRoots = .file("roots.pem")
}

func pushFromTheServer(_ server: inout WebSocketServer, updates: @escaping @Sendable () -> AsyncStream<String>) {
    server.route("/feed") { socket in
        for await update in updates() {
            try await socket.send(update)
        }
    }
}

func streamBigMessages(_ socket: WebSocket, _ chunks: AsyncStream<ByteBuffer>) async throws {
    for try await message in socket.incoming {
        var count = 0
        for try await chunk in message { count += chunk.readableBytes }
        try await socket.send("\(count) bytes")
    }
    try await socket.send(fragments: chunks)
}

func shutDown(_ socket: WebSocket, _ server: WebSocketServer) async throws {
    let outcome = try await socket.close(code: .normalClosure, reason: "that is all")
    if !outcome.isClean { print(outcome) }

    let group = ServiceGroup(
        services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "example"))
    try await group.run()
}
