import ArgumentParser
import Lifeline
import LifelineTrace

/// `lifeline bench`: a load generator.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Put a WebSocket server under load, and measure it.",
        discussion: """
            Opens connections, has them do what the mode says, and reports how much was done, and how long each took.

            MODES
              echo     sends, awaits the echo, and sends again; with --rate, messages
                       leave when they are due, and their time counts from then on,
                       so that a server that stalls cannot hide it; what comes before
                       the first echo, as a greeting, is not counted
              push     sends nothing, and counts what the server sends
              publish  one connection sends, and all count what the server sends on
                       to each of them, the sender among them; a delivery's time
                       counts from when its message was sent, or with --rate was due
              connect  opens connections and closes them, again and again
              idle     opens connections, and counts those that survive

            With --pid, the processor time of a server on this machine is reported for each message, and in the mode \
            idle its memory for each connection. A warning says when the generator was busier than it should be, and \
            the server may be faster than the figures.

            EXAMPLES
              lifeline bench ws://127.0.0.1:8080/echo/on-loop
              lifeline bench --rate 10000 --plot echo.svg ws://127.0.0.1:8080/echo
              lifeline bench --mode publish --connections 2000 ws://127.0.0.1:8080/broadcast
              lifeline bench --mode connect --loops 2 ws://127.0.0.1:8080/echo
              lifeline bench --mode idle --connections 10000 --pid 4711 ws://h/
              lifeline bench --json ws://127.0.0.1:8080/echo | jq .countPerSecond

            JSON
              One object on a line. Latencies are in microseconds: latencyMean,
              latencyP50, P90, P99, P99_9, P99_99, latencyMax, of latencyCount.
              count and countPerSecond are messages that were received, or
              connections in the modes connect and idle; bytes and bytesPerSecond are what was received.
              errors is the sum of errorsConnect, errorsHandshake, errorsClosed,
              errorsLost, errorsWrongEcho and errorsUnanswered. generatorShare is
              that of its loops' cores; serverUserMicroseconds and
              serverSystemMicroseconds are for each message. The README has all.

            EXIT STATUS
              0    nothing went wrong
              2    a connection could not be opened
              3    the server refused an opening handshake, or answered wrongly
              4    a connection ended meanwhile, an echo was wrong or missing
              64   the command line cannot be used
              74   the report or the plot could not be written, as on a full disk
              130  Ctrl-C; what was measured until then is printed
            """)

    @Argument(
        help: "Where to connect: ws://host:port/path, or wss:// for TLS.",
        transform: URLArgument.parse)
    var url: WebSocketURL

    @Option(help: "What the connections do.")
    var mode = BenchPlan.Mode.echo

    @Option(help: ArgumentHelp("The number of connections.", valueName: "number"))
    var connections = 100

    @Option(
        help: ArgumentHelp(
            "The messages on their way at a time, on each connection; with publish, until all have them.",
            valueName: "number"))
    var inFlight = 1

    @Option(help: ArgumentHelp("The bytes of a message; KiB and MiB are understood.", valueName: "bytes"))
    var size = ByteSize(64)

    @Flag(help: "Send text rather than binary messages.")
    var text = false

    @Option(
        help: ArgumentHelp(
            "The messages to send in a second, over all connections; by default as many as come back.",
            valueName: "number"))
    var rate: Double?

    @Option(help: ArgumentHelp("How long to measure.", valueName: "duration"))
    var duration = TimeSpan(.seconds(10))

    @Option(help: ArgumentHelp("How long to warm up before.", valueName: "duration"))
    var warmup = TimeSpan(.seconds(1))

    @Option(help: ArgumentHelp("The event loops, each with a thread of its own.", valueName: "number"))
    var loops = 1

    @Option(
        help: ArgumentHelp("What moves the bytes: automatic, nio, epoll or io_uring.", valueName: "engine"),
        transform: EngineName.parse)
    var engine = WebSocketEngine.automatic

    @Option(help: ArgumentHelp("The server's process on this machine, to measure it too. Linux.", valueName: "pid"))
    var pid: Int?

    @Flag(help: "Write the report as a JSON object on a line.")
    var json = false

    @Option(help: ArgumentHelp("Draw the latencies over their percentiles, as SVG.", valueName: "file"))
    var plot: String?

    @Flag(help: "Say each second how it goes, as is done where standard error is a terminal.")
    var progress = false

    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp("A field of the request; repeatable.", valueName: "name: value"),
        transform: HeaderField.parse)
    var header: [HTTPField] = []

    @Flag(help: "Offer permessage-deflate, which costs the generator more than the server.")
    var compress = false

    @Option(help: ArgumentHelp("The certificates to trust, in PEM form, instead of the system's.", valueName: "file"))
    var cacert: String?

    @Flag(help: "Do not check the server's certificate.")
    var insecure = false

    @OptionGroup var outputOptions: OutputOptions

    /// The messages in a second that can be asked for.
    private static let rates = 0.001...100_000_000

    /// Descriptors that are needed besides those of the connections.
    private static let otherDescriptors = 64

    func validate() throws {
        guard (1...1_000_000).contains(connections) else {
            throw ValidationError("--connections must be a number from 1 to 1000000")
        }
        guard (1...65_536).contains(inFlight) else {
            throw ValidationError("--in-flight must be a number from 1 to 65536")
        }
        guard (1...1024).contains(loops) else { throw ValidationError("--loops must be a number from 1 to 1024") }
        guard duration.duration > .zero else { throw ValidationError("--duration must be more than 0") }
        if let rate {
            guard BenchCommand.rates.contains(rate) else {
                throw ValidationError("--rate must be a number from 0.001 to 100000000, not \(rate)")
            }
            guard mode == .echo || mode == .publish else {
                throw ValidationError("--rate is for the modes echo and publish")
            }
        }
        if plot != nil, mode == .push { throw ValidationError("--plot: the mode push has no latencies to draw") }
        if mode == .publish, size.bytes < Payload.stampSize {
            throw ValidationError(
                "--size must be \(Payload.stampSize) or more with --mode publish: a message says when it was sent")
        }
        if let pid, ProcessFigures.time(of: pid) == nil {
            throw ValidationError("--pid: /proc says nothing of a process \(pid)")
        }
    }

    func run() async throws {
        let errors = Terminal.errors(outputOptions)
        let limit = System.raiseDescriptorLimit()
        guard connections + BenchCommand.otherDescriptors <= limit else {
            throw ValidationError(
                "\(connections) connections need as many open files, and this process may have \(limit) (ulimit -n)")
        }
        do {
            let showsProgress = progress || errors.isTerminal
            let run = try BenchRun(plan, progress: showsProgress ? Progress(errors) : nil)
            let interruption = Interruption { run.interrupt() }
            defer { withExtendedLifetime(interruption) {} }
            let report = try await run.run()
            guard let report else {
                errors.print("lifeline bench: interrupted before anything was measured")
                throw ExitStatus.interrupted
            }
            show(report)
            throw try draw(report, errors) ?? status(report)
        } catch let error as WebSocketError {
            errors.print("lifeline bench: " + error.message.visible())
            throw ExitStatus.of(error)
        }
    }

    private func show(_ report: BenchReport) {
        let output = Terminal.output(outputOptions)
        if json {
            try? output.write(report.json)
            let errors = Terminal.errors(outputOptions)
            for warning in report.warnings { errors.print("lifeline bench: WARNING: " + warning) }
        } else {
            for line in report.table(output) { output.print(line) }
        }
    }

    /// Draws the plot.
    ///
    /// - Returns: How to end where that failed.
    private func draw(_ report: BenchReport, _ errors: Terminal) throws -> ExitCode? {
        guard let plot else { return nil }
        let drawing = LatencyPlot(
            report.tally.latencies, title: "\(report.plan.url)",
            subtitle: "\(mode.rawValue), \(connections.counted("connection")), "
                + "\(Figures.grouped(report.perSecond)) \(report.unit)s/s")
        guard let error = System.write(drawing.svg, toFile: plot) else { return nil }
        errors.print("lifeline bench: \(plot.visible()) could not be written: \(error.reason)")
        return error.isNotOpened ? ExitStatus.usage : ExitStatus.outputFailed
    }

    private func status(_ report: BenchReport) -> ExitCode {
        if report.wasInterrupted { return ExitStatus.interrupted }
        return switch report.faults.status {
        case .success: ExitStatus.success
        case .unconnected: ExitStatus.networkFailure
        case .refused: ExitStatus.handshakeRefused
        case .abnormal: ExitStatus.abnormalClose
        }
    }

    private var plan: BenchPlan {
        BenchPlan(
            url: url, mode: mode, connections: connections, inFlight: inFlight,
            payload: Payload(size: size.bytes, isText: text), rate: rate, duration: duration.duration,
            warmup: warmup.duration, loops: min(loops, connections), client: client, process: pid)
    }

    private var client: WebSocketClientConfiguration {
        var configuration = WebSocketClientConfiguration()
        configuration.engine = engine
        configuration.headerFields = HTTPFields(header)
        configuration.tls = ClientTLS(trustedRoots: cacert.map { .file($0) }, verifiesServer: !insecure)
        let largest = max(size.bytes, 16 << 20)
        configuration.endpoint.maximumMessageSize = largest
        configuration.endpoint.maximumFrameSize = largest
        configuration.endpoint.closeTimeout = .seconds(2)
        if !compress { configuration.endpoint.compression = nil }
        // Idle connections find out whether their peer lives; the others see it.
        if mode != .idle { configuration.endpoint.heartbeat.interval = nil }
        // All that may be on its way may wait.
        configuration.buffers.maximumOutbound = max(16 << 20, (size.bytes + 128) * (inFlight + 1))
        return configuration
    }
}
