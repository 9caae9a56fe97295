public import Lifeline
import LifelineCore
import LifelineLocks
import Logging

extension WebSocket {
    /// Returns two WebSockets that are connected to each other in memory, for testing a function that takes one.
    ///
    /// ```swift
    /// let (client, server) = try await WebSocket.pair()
    /// async let handling: Void = greet(server)
    /// try await client.send("Ada")
    /// #expect(try await client.receive() == .text("Hello, Ada"))
    /// ```
    ///
    /// They have completed the opening handshake. Both stay open until one of them is closed or `network` resets them.
    ///
    /// - Parameters:
    ///   - network: The network between them, which has the clock. Default: a new one.
    ///   - target: The path and query that the client requests. Default: `/`.
    ///   - clientConfiguration: The client's configuration, whose engine has no effect.
    ///   - serverConfiguration: The server's configuration, whose engine has no effect. Default: one that does not log.
    ///   - subprotocols: The server's subprotocols. Default: those that the client offers.
    /// - Throws: `WebSocketError` if the opening handshake fails, for example because the target is malformed, or if the
    ///   task is cancelled, for example while a network with a latency waits for its clock to advance.
    public static func pair(
        on network: TestNetwork = TestNetwork(), target: String = "/",
        clientConfiguration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        serverConfiguration: WebSocketServerConfiguration? = nil, subprotocols: [String]? = nil
    ) async throws -> (client: WebSocket, server: WebSocket) {
        guard target.hasPrefix("/") else {
            throw WebSocketError(
                code: .invalidRequest, message: "the target \(target.debugDescription) must begin with /")
        }
        var clientConfiguration = clientConfiguration
        clientConfiguration.engine = network.engine
        let accepted = Accepted()
        var server = WebSocketServer(address: .hostname("localhost", port: 0))
        server.configuration = serverConfiguration ?? .silent
        server.configuration.engine = network.engine
        // The path is not a pattern here.
        let path = String(target.prefix { $0 != "?" }).replacing("{", with: "%7B").replacing("}", with: "%7D")
        server.route(path, subprotocols: subprotocols ?? clientConfiguration.subprotocols) { socket in
            accepted.resume(.success(socket))
            _ = await socket.end()
        }
        let (running, client) = (server, clientConfiguration)
        let serving = Task(executorPreference: network.simulation.network.elsewhere) {
            do {
                try await running.withServer { address in
                    let url = "ws://localhost:\(address.port ?? 0)\(target)"
                    let socket = try await WebSocketClient.open(to: url, configuration: client)
                    accepted.opened(socket)
                    _ = await socket.end()
                    // Its own end, before this server shuts down and closes what is open.
                    _ = await accepted.server?.end()
                }
            } catch {
                accepted.resume(.failure(error))
            }
        }
        do {
            return try await withTaskCancellationHandler {
                try await accepted.pair()
            } onCancel: {
                accepted.resume(.failure(WebSocketError(code: .cancelled, message: "the task was cancelled")))
            }
        } catch {
            serving.cancel()
            throw error
        }
    }

    // The name of version 0.1, kept for one version.
    @available(
        *, deprecated, renamed: "pair(on:target:clientConfiguration:serverConfiguration:subprotocols:)"
    )
    public static func pair(
        on network: TestNetwork = TestNetwork(), target: String = "/", configuration: WebSocketClientConfiguration,
        serverConfiguration: WebSocketServerConfiguration? = nil, subprotocols: [String]? = nil
    ) async throws -> (client: WebSocket, server: WebSocket) {
        try await pair(
            on: network, target: target, clientConfiguration: configuration, serverConfiguration: serverConfiguration,
            subprotocols: subprotocols)
    }
}

extension WebSocketServerConfiguration {
    fileprivate static var silent: WebSocketServerConfiguration {
        var configuration = WebSocketServerConfiguration()
        configuration.logger = Logger(label: "lifeline.testing") { _ in SwiftLogNoOpLogHandler() }
        return configuration
    }
}

/// Waits for both WebSockets of a pair.
private final class Accepted: Sendable {
    private struct State {
        var client: WebSocket?
        var server: WebSocket?
        var error: (any Error)?
        var continuation: UnsafeContinuation<(client: WebSocket, server: WebSocket), any Error>?
    }

    private let state = Lock(State())

    func resume(_ server: Result<WebSocket, any Error>) {
        change { state in
            switch server {
            case .success(let socket): state.server = socket
            case .failure(let error): state.error = error
            }
        }
    }

    /// The server's WebSocket, once it is open.
    var server: WebSocket? { state.withLock { $0.server } }

    func opened(_ client: WebSocket) {
        change { $0.client = client }
    }

    func pair() async throws -> (client: WebSocket, server: WebSocket) {
        try await withUnsafeThrowingContinuation { continuation in
            change { $0.continuation = continuation }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let resume = state.withLock { state -> (() -> Void)? in
            body(&state)
            guard let continuation = state.continuation else { return nil }
            if let client = state.client, let server = state.server {
                state.continuation = nil
                return { continuation.resume(returning: (client, server)) }
            }
            guard let error = state.error else { return nil }
            state.continuation = nil
            return { continuation.resume(throwing: error) }
        }
        resume?()
    }
}
