import ArgumentParser
import Lifeline
import LifelineLocks
import LifelineTrace

/// One run of `lifeline trace`: from the lookup of the name to the end of TCP.
final class TraceSession: Sendable {
    private let url: WebSocketURL
    private let configuration: WebSocketClientConfiguration
    private let steps: [ScriptStep]?
    private let wait: Duration
    private let output: Terminal
    private let errors: Terminal
    private let activity = Activity()
    private let socket = Lock<WebSocket?>(nil)
    private let received = Counter()

    init(
        _ url: WebSocketURL, _ configuration: WebSocketClientConfiguration, steps: [ScriptStep]?, wait: Duration,
        output: Terminal, errors: Terminal
    ) {
        self.url = url
        self.configuration = configuration
        self.steps = steps
        self.wait = wait
        self.output = output
        self.errors = errors
    }

    /// Connects, talks, closes, and says how the command is to end.
    func run() async -> ExitCode {
        let interruption = Interruption { self.interrupt() }
        defer { withExtendedLifetime(interruption) {} }
        do {
            let outcome = try await WebSocketClient.connect(to: "\(url)", configuration: configuration) { socket in
                await converse(socket)
            }
            return outcome.isExpected ? ExitStatus.success : ExitStatus.abnormalClose
        } catch let error as WebSocketError {
            errors.print("lifeline: " + errors.visible(error.message))
            return ExitStatus.of(error)
        } catch {
            errors.print("lifeline: " + errors.visible("\(error)"))
            return ExitStatus.networkFailure
        }
    }

    private func converse(_ socket: WebSocket) async -> CloseOutcome {
        self.socket.withLock { $0 = socket }
        output.whenClosed { Task { await self.close(socket, .goingAway, "") } }
        let talking = Task {
            do {
                if let steps { try await self.follow(steps, socket) } else { try await self.sendLines(socket) }
                try await self.activity.waitForSilence(self.wait)
            } catch {
                // The connection has ended, or is about to; its outcome tells more.
            }
            await self.close(socket, .normalClosure, "")
        }
        do {
            while try await socket.receive({ _ in }) != nil {
                await activity.during { received.increment() }
            }
        } catch {
            // The same.
        }
        received.end()
        let outcome = await close(socket, .normalClosure, "")
        talking.cancel()
        return outcome
    }

    private func follow(_ steps: [ScriptStep], _ socket: WebSocket) async throws {
        for step in steps {
            switch step {
            case .send(let message): try await socket.send(message)
            case .ping: _ = try await socket.ping()
            case .receive(let count): await received.wait(for: count)
            case .wait(let time): try await Task.sleep(for: time)
            case .close(let code, let reason): await close(socket, code, reason)
            }
        }
    }

    private func sendLines(_ socket: WebSocket) async throws {
        let lines = LineSource(limit: configuration.endpoint.maximumMessageSize)
        let encoding = LineEncoding(
            isBinary: false, isHexadecimal: false, limit: configuration.endpoint.maximumMessageSize)
        while true {
            let batch = await lines.next()
            if batch.isEmpty { return }
            for line in batch {
                switch encoding.message(line) {
                case .success(let message): try await activity.during { try await socket.send(message) }
                case .failure(let refusal): errors.print("lifeline: " + refusal.description)
                }
            }
        }
    }

    @discardableResult
    private func close(_ socket: WebSocket, _ code: CloseCode, _ reason: String) async -> CloseOutcome {
        do {
            return try await socket.close(code: code, reason: reason)
        } catch {
            preconditionFailure("the code and the reason have been checked: \(error)")
        }
    }

    /// Ctrl-C: the closing handshake where there is a connection, and the end where there is none.
    private func interrupt() {
        guard let socket = socket.withLock({ $0 }) else {
            errors.print("lifeline: interrupted before the connection was open")
            System.exitNow(Interruption.status)
        }
        Task { await close(socket, .normalClosure, "") }
    }
}

/// Counts what arrives, for those who wait for so much of it.
final class Counter: Sendable {
    private struct State {
        var count = 0
        var hasEnded = false
        /// What is waited for, by one task at a time.
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    func increment() {
        wake { $0.count += 1 }
    }

    /// Nothing more will arrive.
    func end() {
        wake { $0.hasEnded = true }
    }

    /// Waits for so many that have not been waited for before, or for the end.
    func wait(for count: Int) async {
        for _ in 0..<count {
            while true {
                let isDone = state.withLock { state in
                    if state.hasEnded { return true }
                    guard state.count > 0 else { return false }
                    state.count -= 1
                    return true
                }
                if isDone { break }
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        if state.count > 0 || state.hasEnded { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            }
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            return state.waiter.take()
        }
        waiter?.resume()
    }
}
