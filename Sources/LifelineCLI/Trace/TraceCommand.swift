import ArgumentParser
import Lifeline
import LifelineTrace
import Synchronization

/// `lifeline trace`: draws a connection as it happens.
struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Connect to a WebSocket server, and draw every step as it happens.",
        discussion: """
            Sends each line of standard input as a text message. With --script, it takes the steps in a file, one per \
            line:

              text WORDS…          send a text message
              binary DIGITS        send a binary message, given in hexadecimal digits
              ping                 send a Ping, and wait for its Pong
              receive [NUMBER]     wait for one message, or for this number of them
              wait DURATION        do nothing for this time
              close [CODE [WORDS]] close the connection

            The connection is closed once the input has ended and nothing was received for a while (--wait). If lines \
            were sent and nothing was received at all, or if a step of the script gets no answer within \
            --receive-timeout, standard error says so, and the status is 5. Lines end with LF or CR LF.

            EXAMPLES
              lifeline trace ws://127.0.0.1:8080/echo
              echo hello | lifeline trace --record hello.jsonl ws://127.0.0.1:8080/echo
              lifeline trace --script steps.txt wss://example.org/
              lifeline trace --wait 5s ws://127.0.0.1:8080/push < /dev/null

            EXIT STATUS
              As lifeline connect, and:
              65   a line of the script is not a step (nothing was sent)
              66   the script could not be read
              74   the recording could not be started or completed
            """)

    @Argument(help: URLArgument.help, transform: URLArgument.parse)
    var url: WebSocketURL

    @Option(help: ArgumentHelp("A file with the steps to take.", valueName: "file"), transform: FileName.parse)
    var script: String?

    @Option(
        help: ArgumentHelp(
            "How long to wait for messages after the end of the input. Each received message restarts the timer.",
            valueName: "duration"))
    var wait = TimeSpan(.seconds(1))

    @Option(
        help: ArgumentHelp(
            "How long a step of the script waits for a message or a Pong.",
            valueName: "duration"))
    var receiveTimeout = TimeSpan(.seconds(30))

    @OptionGroup(title: "Recording") var recording: RecordingArguments
    @OptionGroup(title: "Connection") var client: ClientOptions
    @OptionGroup var outputOptions: OutputOptions

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        let steps: [ScriptStep]?
        let recorder: Recorder?
        try client.tls.check(for: url)
        do {
            steps = try script.map { try ScriptStep.read($0) }
            recorder = try recording.recorder()
        } catch {
            let malformed = error as? ScriptStep.Malformed
            let option = malformed == nil ? "--record: " : ""
            errors.print("lifeline trace: " + option + errors.visible("\(error)"))
            guard let malformed else { throw ExitStatus.outputFailed }
            throw malformed.isMissing ? ExitStatus.inputMissing : ExitStatus.inputRefused
        }
        let drawing = TraceDrawing(output, recording.redaction)
        let drawn = Task { await drawing.draw() }
        let observers: [any LifecycleObserver] = [drawing] + (recorder.map { [$0] } ?? [])
        let session = TraceSession(
            url, client.configuration(observers), steps: steps, wait: wait.duration,
            stepTimeout: receiveTimeout.duration, output: output, errors: errors)
        // It lives longer than the session, so that writing the rest of the drawing is limited too.
        let interruption = Interruption { session.interrupt() }
        defer { withExtendedLifetime(interruption) {} }
        var status = await session.run()
        drawing.finish()
        await drawn.value
        if let lost = drawing.lostText { errors.print("lifeline trace: " + lost) }
        do {
            try await recorder?.finish()
            if let recorder { errors.print("recorded to \(recorder.path)") }
        } catch {
            errors.print("lifeline trace: " + errors.visible("\(error)"))
            if status == ExitStatus.success { status = ExitStatus.outputFailed }
        }
        throw status
    }
}

/// Draws the events of one connection as they happen.
final class TraceDrawing: LifecycleObserver {
    private let output: Terminal
    private let redaction: Redaction
    private let events: AsyncStream<LifecycleEvent?>
    private let event: AsyncStream<LifecycleEvent?>.Continuation
    private let lost = Atomic(0)

    /// - Parameter redaction: The secrets that are not drawn.
    init(_ output: Terminal, _ redaction: Redaction) {
        self.output = output
        self.redaction = redaction
        (events, event) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(100_000))
    }

    func observe(_ event: LifecycleEvent) {
        if case .dropped = self.event.yield(event) { lost.add(1, ordering: .relaxed) }
    }

    /// Says how many steps were not drawn because the output was read too slowly, or `nil` if all were drawn.
    var lostText: String? {
        let lost = lost.load(ordering: .relaxed)
        return lost > 0 ? "\(lost.counted("step")) not drawn, because the output was read too slowly" : nil
    }

    func finish() {
        event.finish()
    }

    /// Draws the events. Returns after the last one.
    func draw() async {
        let writer = TerminalWriter(terminal: output)
        let renderer = TerminalRenderer(
            columns: output.columns, usesColor: output.usesColor, usesUnicode: output.usesUnicode)
        var diagram = LiveDiagram(observer: .client, renderer: renderer)
        var redactor = EventRedactor(redaction)
        var beginning: MonotonicInstant?
        // The last row waits for events that complete it, but not for long.
        let ticking = Task { [event] in
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(100))
                event.yield(nil)
            }
        }
        defer { ticking.cancel() }
        for await event in events {
            guard let event else {
                await writer.write(diagram.settle())
                continue
            }
            let begun = beginning ?? event.instant
            beginning = begun
            await writer.write(diagram.add(redactor(TraceEvent(event, since: begun, keepsPayloads: true))))
        }
        await writer.write(diagram.end())
    }
}
