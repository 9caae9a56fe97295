import ArgumentParser
import Lifeline
import LifelineLocks
import LifelineTrace

/// One run of `lifeline trace`, from looking up the host to the end of TCP.
final class TraceSession: Sendable {
    private let url: WebSocketURL
    private let configuration: WebSocketClientConfiguration
    private let steps: [ScriptStep]?
    private let wait: Duration
    /// How long a step of the script waits for the peer.
    private let stepTimeout: Duration
    private let output: Terminal
    private let errors: Terminal
    private let activity = Activity()
    private let socket = Lock<WebSocket?>(nil)
    private let received = ArrivalCounter()
    private let state = Lock(State())

    private struct State {
        var inputWasRefused = false
        /// Whether this side closed the connection because nothing was received for a while.
        var wasCutOff = false
        /// Whether a step of the script got no answer.
        var stepWasUnanswered = false
    }

    init(
        _ url: WebSocketURL, _ configuration: WebSocketClientConfiguration, steps: [ScriptStep]?, wait: Duration,
        stepTimeout: Duration, output: Terminal, errors: Terminal
    ) {
        self.url = url
        self.configuration = configuration
        self.steps = steps
        self.wait = wait
        self.stepTimeout = stepTimeout
        self.output = output
        self.errors = errors
    }

    /// Connects, sends and receives, closes, and returns the exit status.
    func run() async -> ExitCode {
        do {
            let outcome = try await WebSocketClient.connect(to: "\(url)", configuration: configuration) { socket in
                await converse(socket)
            }
            return status(after: outcome)
        } catch let error as WebSocketError {
            errors.print("lifeline trace: " + errors.visible(error.message))
            return ExitStatus.of(error)
        } catch {
            errors.print("lifeline trace: " + errors.visible("\(error)"))
            return ExitStatus.networkFailure
        }
    }

    private func status(after outcome: CloseOutcome) -> ExitCode {
        let state = state.withLock { $0 }
        if state.stepWasUnanswered { return ExitStatus.unanswered }
        guard outcome.isExpected else { return ExitStatus.abnormalClose }
        if state.inputWasRefused { return ExitStatus.inputRefused }
        guard state.wasCutOff, activity.unanswered == .everything else { return ExitStatus.success }
        errors.print(
            "lifeline trace: nothing was received within \(TimeSpan(wait)) (--wait), so the connection was closed")
        return ExitStatus.unanswered
    }

    private func converse(_ socket: WebSocket) async -> CloseOutcome {
        self.socket.withLock { $0 = socket }
        output.whenClosed { Task { await self.close(socket, .goingAway, "") } }
        let talking = Task {
            do {
                if let steps {
                    try await self.follow(steps, socket)
                    try await self.activity.waitForSilence(self.wait)
                } else {
                    try await self.sendLines(socket)
                    try await self.activity.waitForSilence(self.wait)
                    // With a script, only its own steps wait for answers.
                    if self.wait > .zero { self.state.withLock { $0.wasCutOff = true } }
                }
            } catch let unanswered as Unanswered {
                self.state.withLock { $0.stepWasUnanswered = true }
                self.errors.print("lifeline trace: " + unanswered.description)
                await self.close(socket, .internalError, unanswered.reason)
                return
            } catch {
                // The connection has ended, or is about to. Its outcome has the details.
            }
            await self.close(socket, .normalClosure, "")
        }
        do {
            while try await socket.receive({ _ in }) != nil {
                activity.noteReceived()
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

    /// An error: a step of the script got no answer in time.
    private struct Unanswered: Error, CustomStringConvertible {
        /// The reason in the Close frame.
        let reason: String
        let timeout: Duration

        var description: String {
            "\(reason) within \(TimeSpan(timeout)) (--receive-timeout), so the connection was closed"
        }
    }

    private func follow(_ steps: [ScriptStep], _ socket: WebSocket) async throws {
        for step in steps {
            switch step {
            case .send(let message): try await socket.send(message)
            case .ping:
                guard try await socket.ping(timeout: stepTimeout) else {
                    throw Unanswered(reason: "no Pong was received", timeout: stepTimeout)
                }
            case .receive(let count):
                guard await received.wait(for: count, timeout: stepTimeout) else {
                    throw Unanswered(reason: "no message was received", timeout: stepTimeout)
                }
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
                case .success(let message):
                    activity.noteSending()
                    try await activity.during { try await socket.send(message) }
                case .failure(let refusal):
                    state.withLock { $0.inputWasRefused = true }
                    errors.print("lifeline trace: " + refusal.description)
                }
            }
        }
    }

    @discardableResult
    private func close(_ socket: WebSocket, _ code: CloseCode, _ reason: String) async -> CloseOutcome {
        do {
            return try await socket.close(code: code, reason: reason)
        } catch {
            preconditionFailure("the code and the reason were checked before: \(error)")
        }
    }

    /// Handles Ctrl-C: closes the connection, or ends the process if there is none yet.
    func interrupt() {
        guard let socket = socket.withLock({ $0 }) else {
            _ = try? errors.writeAtOnce("lifeline trace: interrupted before the connection was open\n")
            System.exitNow(Interruption.status)
        }
        Task {
            await close(socket, .normalClosure, "")
            // Nobody is going to read what has not been read by now.
            try await Task.sleep(for: .seconds(1))
            output.abandon()
            errors.abandon()
        }
    }
}
