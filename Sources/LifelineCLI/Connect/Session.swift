import ArgumentParser
import Lifeline
import LifelineLocks
import LifelineTrace
import NIOCore

/// One run of `lifeline connect`: from the lookup of the name to the end of TCP.
final class Session: Sendable {
    /// What was asked for on the command line.
    struct Options: Sendable {
        var url: WebSocketURL
        var client: WebSocketClientConfiguration
        /// How lines of input become messages.
        var encoding: LineEncoding
        /// What is sent in place of lines of input.
        var messages: [WebSocketMessage]?
        /// How long to wait for silence after the end of the input; `nil` waits for the peer to close.
        var wait: Duration?
        var closeCode: CloseCode
        var closeReason: String
    }

    private struct State {
        var socket: WebSocket?
        var outputIsClosed = false
        var inputWasRefused = false
        /// Whether the connection was closed since nothing had come for a while.
        var wasCutOff = false
    }

    /// How long the answer to a Ping is waited for that is to tell whether the peer has all that was sent. A server that answers
    /// none is to be told from a slow network, and well before the heartbeat takes it for dead (10 s).
    private static let patienceWithPong = Duration.seconds(4)
    /// From how long on silence says enough by itself.
    private static let longSilence = Duration.seconds(5)

    private let options: Options
    private let transcript: Transcript
    private let output: Terminal
    private let errors: Terminal
    private let lines: LineSource
    private let activity = Activity()
    private let state = Lock(State())

    init(_ options: Options, _ transcript: Transcript, output: Terminal, errors: Terminal, lines: LineSource) {
        self.options = options
        self.transcript = transcript
        self.output = output
        self.errors = errors
        self.lines = lines
    }

    /// Connects, talks, closes, and says how the command is to end.
    func run() async -> ExitCode {
        let interruption = Interruption { self.interrupt() }
        defer { withExtendedLifetime(interruption) {} }
        do {
            let outcome = try await WebSocketClient.connect(to: "\(options.url)", configuration: options.client) {
                socket in await converse(socket)
            }
            return status(after: outcome)
        } catch let error as WebSocketError {
            await report(error)
            return ExitStatus.of(error)
        } catch {
            await transcript.note("\(error)".visible())
            return ExitStatus.networkFailure
        }
    }

    // MARK: The conversation

    private func converse(_ socket: WebSocket) async -> CloseOutcome {
        state.withLock { $0.socket = socket }
        output.whenClosed {
            self.outputClosed()
            Task { await self.close(socket) }
        }
        do {
            try await transcript.opened(options.url, socket.handshake)
        } catch {
            outputClosed()
        }
        let sending = Task { await send(socket) }
        let watching = Task { await watchControls() }
        await receive(socket)
        let outcome = await close(socket)
        sending.cancel()
        watching.cancel()
        await showLastControls()
        if let text = state.withLock({ $0.wasCutOff }) ? unansweredText : nil { await transcript.note(text) }
        if !state.withLock({ $0.outputIsClosed }) {
            await transcript.closed(outcome, await socket.compressionStatistics)
        }
        return outcome
    }

    /// Shows what is received, until the connection ends or nobody looks any more.
    private func receive(_ socket: WebSocket) async {
        do {
            for try await message in socket {
                activity.noteReceived()
                try await activity.during { try await transcript.received(message) }
            }
        } catch is OutputClosed {
            outputClosed()
        } catch {
            // The connection's end, whose outcome tells more.
        }
    }

    private func watchControls() async {
        guard let journal = options.client.observers.first as? ControlJournal else { return }
        for await _ in journal.arrivals {
            do {
                try await transcript.showControls()
            } catch {
                outputClosed()
                if let socket = state.withLock({ $0.socket }) { await close(socket) }
                return
            }
        }
    }

    private func showLastControls() async {
        // Marks of messages that were dropped after this side's Close frame stand between them.
        for _ in 0..<2 { try? await transcript.showControls(withMessage: true) }
    }

    // MARK: Sending

    /// Sends what is read, and closes the connection after the end of the input.
    private func send(_ socket: WebSocket) async {
        do {
            if let messages = options.messages {
                for message in messages { try await send(message, to: socket) }
            } else {
                while true {
                    let batch = await lines.next()
                    if batch.isEmpty { break }
                    for line in batch { try await send(line, to: socket) }
                }
            }
            try await waitForAnswers(socket)
            await close(socket)
        } catch is OutputClosed {
            outputClosed()
            await close(socket)
        } catch {
            // The connection has ended, or is about to.
        }
    }

    private func send(_ line: InputLine, to socket: WebSocket) async throws {
        try Task.checkCancellation()
        switch options.encoding.message(line) {
        case .success(let message): try await send(message, to: socket)
        case .failure(let refusal):
            state.withLock { $0.inputWasRefused = true }
            await transcript.note(refusal.description)
        }
    }

    private func send(_ message: WebSocketMessage, to socket: WebSocket) async throws {
        activity.noteSending()
        try await activity.during {
            try await socket.send(message)
            try await transcript.sent(message)
        }
    }

    /// Waits for what is still to come after the end of the input.
    private func waitForAnswers(_ socket: WebSocket) async throws {
        guard let wait = options.wait else { return try await Task.sleep(for: .seconds(Int32.max)) }
        guard wait > .zero else { return }
        try await socket.waitUntilWritable()
        if options.client.endpoint.heartbeat.interval != nil, wait < Session.longSilence {
            // The peer has all that was sent once it answers a Ping behind it; a slow network is no silence.
            try await socket.ping(waitingFor: Session.patienceWithPong)
        }
        try await activity.waitForSilence(wait)
        state.withLock { $0.wasCutOff = true }
    }

    /// What has had no answer when the connection was closed, in words; `nil` where something has come.
    private var unansweredText: String? {
        let wait = options.wait.map { "\(TimeSpan($0))" } ?? ""
        return switch activity.unanswered {
        case .everything: "nothing was answered within \(wait) (--wait), and the connection was closed"
        case .theLast: "nothing has come since the last message was sent, within \(wait) (--wait)"
        case nil: nil
        }
    }

    // MARK: The end

    @discardableResult
    private func close(_ socket: WebSocket) async -> CloseOutcome {
        do {
            return try await socket.close(code: options.closeCode, reason: options.closeReason)
        } catch {
            preconditionFailure("the code and the reason have been checked: \(error)")
        }
    }

    private func outputClosed() {
        state.withLock { $0.outputIsClosed = true }
    }

    /// Ctrl-C: the closing handshake where there is a connection, and the end where there is none.
    private func interrupt() {
        guard let socket = state.withLock({ $0.socket }) else {
            _ = try? errors.writeAtOnce("lifeline: interrupted before the connection was open\n")
            System.exitNow(Interruption.status)
        }
        Task {
            let hint = Task {
                try await Task.sleep(for: .seconds(1))
                await transcript.note("waiting for the peer to close; Ctrl-C again does not wait")
            }
            await close(socket)
            hint.cancel()
            // Who does not read what was received by now will not.
            try await Task.sleep(for: .seconds(1))
            output.abandon()
            errors.abandon()
        }
    }

    private func status(after outcome: CloseOutcome) -> ExitCode {
        let state = state.withLock { $0 }
        if state.outputIsClosed { return ExitStatus.success }
        // A peer that repeats the code of this side's choice agrees with it.
        let isAgreed = outcome.isClean && outcome.code == options.closeCode && outcome.initiator == .local
        guard outcome.isExpected || isAgreed else { return ExitStatus.abnormalClose }
        if state.inputWasRefused { return ExitStatus.inputRefused }
        return state.wasCutOff && activity.unanswered == .everything ? ExitStatus.unanswered : ExitStatus.success
    }

    /// Says why no connection came about.
    private func report(_ error: WebSocketError) async {
        await transcript.note(error.message.visible())
        guard let failure = error.handshakeFailure, let response = failure.response else { return }
        await transcript.show(response, body: failure.body)
    }
}
