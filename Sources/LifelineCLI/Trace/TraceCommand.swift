import ArgumentParser
import Lifeline
import LifelineTrace
import Synchronization

/// `lifeline trace`: a connection that is drawn as it happens.
struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Talk to a WebSocket server, and draw every step as it happens.",
        discussion: """
            Each line of standard input is sent as a text message. With --script, the lines of a file say what to do:

              text WORDS…          send a text message
              binary DIGITS        send a binary message, in hexadecimal digits
              ping                 send a Ping, and wait for its Pong
              receive [NUMBER]     wait for a message, or for so many
              wait DURATION        do nothing for a while
              close [CODE [WORDS]] close the connection

            Once the input has ended and nothing has been received for a while (--wait), the connection is closed. Where \
            nothing at all has come since a line was sent, or no answer to a step of the script within --receive-timeout, \
            standard error says so, and the status is 5. Lines end with LF, or CR LF.

            EXAMPLES
              lifeline trace ws://127.0.0.1:8080/echo
              echo hello | lifeline trace --record hello.jsonl ws://127.0.0.1:8080/echo
              lifeline trace --script conversation.txt wss://example.org/
              lifeline trace --wait 5s ws://127.0.0.1:8080/push < /dev/null

            EXIT STATUS
              As of lifeline connect; 65 also where the script cannot be read, or the recording not be begun; 74 also where \
            the recording cannot be written to its end.
            """)

    @Argument(
        help: "Where to connect: ws://host:port/path, or wss:// for TLS.",
        transform: URLArgument.parse)
    var url: WebSocketURL

    @Option(help: ArgumentHelp("A file that says what to do.", valueName: "file"))
    var script: String?

    @Option(
        help: ArgumentHelp(
            "How long nothing may be received, after the end of the input, before the connection is closed.",
            valueName: "duration"))
    var wait = TimeSpan(.seconds(1))

    @Option(
        help: ArgumentHelp(
            "How long a step of the script waits for a message, or a Pong, before the peer is given up.",
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
        do {
            steps = try script.map { try ScriptStep.read($0) }
            recorder = try recording.recorder()
        } catch {
            errors.print("lifeline trace: " + errors.visible("\(error)"))
            throw ExitStatus.inputRefused
        }
        let drawing = TraceDrawing(output, recording.redaction)
        let drawn = Task { await drawing.draw() }
        let observers: [any LifecycleObserver] = [drawing] + (recorder.map { [$0] } ?? [])
        let session = TraceSession(
            url, client.configuration(observers), steps: steps, wait: wait.duration,
            stepPatience: receiveTimeout.duration, output: output, errors: errors)
        // What is drawn after the connection's end, and not read, must end too.
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

/// Draws the events of one connection as they come.
final class TraceDrawing: LifecycleObserver {
    private let output: Terminal
    private let redaction: Redaction
    private let events: AsyncStream<LifecycleEvent?>
    private let event: AsyncStream<LifecycleEvent?>.Continuation
    private let lost = Atomic(0)

    /// - Parameter redaction: What is not drawn.
    init(_ output: Terminal, _ redaction: Redaction) {
        self.output = output
        self.redaction = redaction
        (events, event) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(100_000))
    }

    func observe(_ event: LifecycleEvent) {
        if case .dropped = self.event.yield(event) { lost.add(1, ordering: .relaxed) }
    }

    /// How much is not drawn since the output took too little; `nil` where all is, and where nobody reads it.
    var lostText: String? {
        let lost = lost.load(ordering: .relaxed)
        return lost > 0 ? "\(lost.counted("step")) not drawn: they came faster than the drawing could be written" : nil
    }

    func finish() {
        event.finish()
    }

    /// Draws until all has been drawn.
    func draw() async {
        let writer = TerminalWriter(terminal: output)
        let renderer = TerminalRenderer(
            columns: output.columns, usesColor: output.usesColor, usesUnicode: output.usesUnicode)
        var diagram = LiveDiagram(observer: .client, renderer: renderer)
        var redactor = EventRedactor(redaction)
        var beginning: MonotonicInstant?
        // What waits for more to be said about it does not wait for long.
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
