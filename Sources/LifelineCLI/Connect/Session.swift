import ArgumentParser
import Lifeline
import LifelineLocks
import LifelineTrace
import NIOCore

/// One run of `lifeline connect`, from looking up the host to the end of TCP.
final class Session: Sendable {
    /// The settings from the command line.
    struct Options: Sendable {
        var url: WebSocketURL
        var client: WebSocketClientConfiguration
        /// Converts lines of input to messages.
        var encoding: LineEncoding
        /// The messages to send in place of lines of input.
        var messages: [WebSocketMessage]?
        /// How long nothing must be received after the end of the input; `nil` waits for the peer to close.
        var wait: Duration?
        var closeCode: CloseCode
        var closeReason: String
    }

    private struct State {
        var socket: WebSocket?
        var outputIsClosed = false
        var inputWasRefused = false
        /// Whether this side closed the connection because nothing was received for a while.
        var wasCutOff = false
    }

    /// How long to wait for the Pong that shows that the peer has received everything. It must allow for a slow
    /// network, and end well before the heartbeat times out (10 s).
    private static let pongTimeout = Duration.seconds(4)
    /// A wait of at least this length does not also need a Pong.
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

    /// Connects, sends and receives, closes, and returns the exit status.
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

    /// Shows received messages until the connection ends or the output is closed.
    private func receive(_ socket: WebSocket) async {
        do {
            for try await message in socket {
                activity.noteReceived()
                try await activity.during { try await transcript.received(message) }
            }
        } catch is OutputClosed {
            outputClosed()
        } catch {
            // The connection has ended. Its outcome has the details.
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
        // There may be a mark between them, of a message that was dropped after this side's Close frame.
        for _ in 0..<2 { try? await transcript.showControls(withMessage: true) }
    }

    // MARK: Sending

    /// Sends the input, and closes the connection after its end.
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

    /// Waits for the last messages after the end of the input.
    private func waitForAnswers(_ socket: WebSocket) async throws {
        guard let wait = options.wait else { return try await Task.sleep(for: .seconds(Int32.max)) }
        guard wait > .zero else { return }
        try await socket.waitUntilWritable()
        if options.client.endpoint.heartbeat.interval != nil, wait < Session.longSilence {
            // The Pong shows that the peer has received everything, so that a slow network is not mistaken for silence.
            try await socket.ping(timeout: Session.pongTimeout)
        }
        try await activity.waitForSilence(wait)
        state.withLock { $0.wasCutOff = true }
    }

    /// Says which messages had no answer when the connection was closed, or `nil` if all had one.
    private var unansweredText: String? {
        let wait = options.wait.map { "\(TimeSpan($0))" } ?? ""
        return switch activity.unanswered {
        case .everything: "nothing was received within \(wait) (--wait), so the connection was closed"
        case .theLast:
            "nothing was received after the last message within \(wait) (--wait), so the connection was closed"
        case nil: nil
        }
    }

    // MARK: The end

    @discardableResult
    private func close(_ socket: WebSocket) async -> CloseOutcome {
        do {
            return try await socket.close(code: options.closeCode, reason: options.closeReason)
        } catch {
            preconditionFailure("the code and the reason were checked before: \(error)")
        }
    }

    private func outputClosed() {
        state.withLock { $0.outputIsClosed = true }
    }

    /// Handles Ctrl-C: closes the connection, or ends the process if there is none yet.
    private func interrupt() {
        guard let socket = state.withLock({ $0.socket }) else {
            _ = try? errors.writeAtOnce("lifeline connect: interrupted before the connection was open\n")
            System.exitNow(Interruption.status)
        }
        Task {
            let hint = Task {
                try await Task.sleep(for: .seconds(1))
                await transcript.note("waiting for the peer to close; press Ctrl-C again to quit at once")
            }
            await close(socket)
            hint.cancel()
            // Nobody is going to read what has not been read by now.
            try await Task.sleep(for: .seconds(1))
            output.abandon()
            errors.abandon()
        }
    }

    private func status(after outcome: CloseOutcome) -> ExitCode {
        let state = state.withLock { $0 }
        if state.outputIsClosed { return ExitStatus.success }
        // The peer answers a Close frame with the same code.
        let isAgreed = outcome.isClean && outcome.code == options.closeCode && outcome.initiator == .local
        guard outcome.isExpected || isAgreed else { return ExitStatus.abnormalClose }
        if state.inputWasRefused { return ExitStatus.inputRefused }
        return state.wasCutOff && activity.unanswered == .everything ? ExitStatus.unanswered : ExitStatus.success
    }

    /// Says why the connection could not be opened.
    private func report(_ error: WebSocketError) async {
        await transcript.note(error.message.visible())
        guard let failure = error.handshakeFailure, let response = failure.response else { return }
        await transcript.show(response, body: failure.body)
    }
}
