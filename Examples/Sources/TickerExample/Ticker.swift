public import Lifeline

extension WebSocketServer {
    /// Adds a route that sends a number again and again, whatever the client does.
    ///
    /// - Parameters:
    ///   - interval: The time between two numbers.
    ///   - sleep: Waits. A test passes a function that does not take any real time.
    public mutating func addTicker(
        every interval: Duration,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        route("/ticks") { socket in
            // This handler never receives. The library answers Pings and Close frames meanwhile, and finds dead peers. When
            // the connection has ended, `send` throws, and the handler ends. If the client reads too slowly, `send` waits.
            for number in 1... {
                try await socket.send("tick \(number)")
                try await sleep(interval)
            }
        }
    }
}

/// Connects to a ticker, and calls `show` with each tick until `limit` of them have come or the server closes.
///
/// It is `nonisolated(nonsending)`, so it runs where its caller runs, and `show` may belong to the main actor.
public nonisolated(nonsending) func watchTicker(
    at url: String, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(), limit: Int = .max,
    show: (String) -> Void
) async throws {
    // The closure is the connection's scope: when it returns, the closing handshake is run.
    try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
        var count = 0
        for try await message in socket {
            guard let text = message.text else { continue }
            show(text)
            count += 1
            if count == limit { return }
        }
    }
}
