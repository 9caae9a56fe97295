import HTTPTypes
public import Lifeline

/// How long a client waits before it connects again.
public struct Backoff: Sendable {
    /// The longest wait before the first new attempt.
    public var first: Duration = .milliseconds(500)
    /// The longest wait before any attempt.
    public var maximum: Duration = .seconds(30)

    public init() {}

    /// The wait after a number of failures in a row: random, and twice as long at most after each failure.
    ///
    /// It is random because otherwise all clients of a server that restarts would come back at the same moment, again and again.
    func delay(after failures: Int) -> Duration {
        let longest = min(first * (1 << min(failures - 1, 16)), maximum)
        return longest * Double.random(in: 0.5...1)
    }
}

/// Keeps a client connected until the server closes with 1000, `handler` throws an error of its own, or the task is cancelled.
///
/// - Parameters:
///   - url: Where to connect to.
///   - configuration: What to ask for. `Authorization` is added.
///   - token: Gets a token. It is called before each attempt, because the last token may have expired by then.
///   - backoff: How long to wait between attempts.
///   - sleep: Waits. A test passes a function that does not take any real time.
///   - handler: Uses a connection; it is called once for each.
public func stay(
    at url: String, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
    token: () async throws -> String, backoff: Backoff = Backoff(),
    sleep: (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    handler: (WebSocket) async throws -> Void
) async throws {
    var failures = 0
    while true {
        var attempt = configuration
        attempt.headerFields[.authorization] = "Bearer \(try await token())"
        var retryAfter: Duration?
        do {
            let code = try await WebSocketClient.connect(to: url, configuration: attempt) { socket in
                failures = 0
                try await handler(socket)
                // `nil` if the handler returned first: then it is this client that is done.
                return await socket.outcome?.code ?? .normalClosure
            }
            if code == .normalClosure { return }
            // 1001: the server is restarting, or moves its connections elsewhere.
        } catch let error as WebSocketError {
            guard error.isWorthARetry else { throw error }
            let field = error.handshakeFailure?.response?.headerFields[.retryAfter]
            retryAfter = field.flatMap { Int($0) }.map { .seconds($0) }
        }
        failures += 1
        try await sleep(max(backoff.delay(after: failures), min(retryAfter ?? .zero, .seconds(600))))
    }
}

extension WebSocketError {
    /// Whether the same attempt may succeed later.
    var isWorthARetry: Bool {
        switch code {
        case .connectFailed, .handshakeInterrupted: true
        // The connection was lost. After a violation of the protocol or of a limit, a new one would end in the same way.
        case .closed: ![.policyViolation, .messageTooBig, .protocolError].contains(outcome?.code)
        // The token was new, so 401 will not change; an overloaded server will.
        case .handshakeRefused: [429, 502, 503, 504].contains(handshakeFailure?.response?.status.code)
        // A wrong URL, a certificate that is not trusted, a cancelled task.
        default: false
        }
    }
}
