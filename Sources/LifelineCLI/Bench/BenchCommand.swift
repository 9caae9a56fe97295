import ArgumentParser
import Lifeline
import LifelineTrace

/// `lifeline bench`: a load generator.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load-test a WebSocket server.",
        discussion: """
            Opens connections, sends or receives messages according to the mode, and reports throughput and latencies.

            MODES
              echo     Sends a message, waits for its echo, and sends the next one.
                       With --rate, each message is sent when it is due, and its
                       latency is counted from then, so that a server that stalls
                       cannot hide it. Messages before the first echo, such as a
                       greeting, are not counted.
              push     Sends nothing, and counts the server's messages.
              publish  One connection sends, and all connections, including that one,
                       count what the server forwards to them. Latencies are counted
                       from sending, or with --rate from when the message was due.
              connect  Opens and closes connections again and again.
              idle     Opens connections, and counts those that stay open.

            With --pid, the report has the server's processor time per message, and in mode idle its memory per \
            connection. The server must run on this machine. A warning says so if the load generator itself was the \
            bottleneck.

            EXAMPLES
              lifeline bench ws://127.0.0.1:8080/echo/on-loop
              lifeline bench --rate 10000 --plot echo.svg ws://127.0.0.1:8080/echo
              lifeline bench --mode publish --connections 2000 ws://h/broadcast
              lifeline bench --mode connect --loops 2 ws://127.0.0.1:8080/echo
              lifeline bench --mode idle --connections 10000 --pid 4711 ws://h/
              lifeline bench --json ws://127.0.0.1:8080/echo | jq .countPerSecond

            JSON
              --json writes one object on one line. Latencies are in microseconds:
              latencyMean, latencyP50, P90, P99, P99_9, P99_99 and latencyMax, of
              latencyCount. count and countPerSecond are received messages, or
              connections in the modes connect and idle; bytes and bytesPerSecond
              are received payload. errors is the sum of errorsConnect,
              errorsHandshake, errorsClosed, errorsLost, errorsWrongEcho and
              errorsUnanswered. generatorShare is the generator's share of its
              loops' cores. serverUserMicroseconds and serverSystemMicroseconds
              are per message. docs/bench.md has all members.

            EXIT STATUS
              0    success
              2    a connection could not be opened
              3    the server refused an opening handshake, or its answer was wrong
              4    a connection ended early, or an echo was wrong or missing
              64   the command line is invalid
              65   --cacert names a file without certificates
              66   the file of --cacert could not be read
              74   the report or the plot could not be written
              130  Ctrl-C; the report covers the time until then; 143 if it
                   was SIGTERM
            """)

    @Argument(help: URLArgument.help, transform: URLArgument.parse)
    var url: WebSocketURL

    @Option(help: "What the connections do; see MODES.")
    var mode = BenchPlan.Mode.echo

    @Option(in: 1...1_000_000, help: ArgumentHelp("The number of connections.", valueName: "number"))
    var connections = 100

    @Option(
        in: 1...65_536,
        help: ArgumentHelp(
            "The number of messages in flight: per connection, or in mode publish in total.", valueName: "number"))
    var inFlight = 1

    @Option(
        in: ByteCount(0)...ByteCount(1 << 30),
        help: ArgumentHelp("The size of a message in bytes; k, M and G are allowed.", valueName: "bytes"))
    var size = ByteCount(64)

    @Flag(help: "Send text messages instead of binary ones.")
    var text = false

    @Option(
        help: ArgumentHelp(
            "The messages to send per second, over all connections. By default each echo is followed by the next message.",
            valueName: "number"))
    var rate: Rate?

    @Option(help: ArgumentHelp("How long to measure.", valueName: "duration"))
    var duration = TimeSpan(.seconds(10))

    @Option(help: ArgumentHelp("How long to warm up before measuring.", valueName: "duration"))
    var warmup = TimeSpan(.seconds(1))

    @Option(
        in: 1...1024, help: ArgumentHelp("The number of event loops, each on a thread of its own.", valueName: "number")
    )
    var loops = 1

    @Option(
        help: ArgumentHelp(
            "The engine that runs the event loops: automatic, nio, epoll or io_uring.", valueName: "engine"),
        transform: EngineName.parse)
    var engine = WebSocketEngine.automatic

    @Option(
        in: 1...Int(Int32.max),
        help: ArgumentHelp(
            "Also measure the process with this ID: the server, on this machine. Linux only.", valueName: "pid"))
    var pid: Int?

    @Flag(help: "Write the report as a JSON object on one line.")
    var json = false

    @Option(
        help: ArgumentHelp("Draw latency over percentiles, and write it to this file as SVG.", valueName: "file"),
        transform: FileName.parse)
    var plot: String?

    @Flag(help: "Write a progress line to standard error each second, as on a terminal.")
    var progress = false

    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp("A header field of the request; repeatable.", valueName: "name: value"),
        transform: HeaderField.parse)
    var header: [HTTPField] = []

    @OptionGroup var tls: ClientTLSOptions

    @Flag(help: "Offer permessage-deflate. Compression costs the load generator more than the server.")
    var compress = false

    @OptionGroup(title: "Compression") var compression: CompressionParameters
    @OptionGroup var outputOptions: OutputOptions

    /// The descriptors that the process needs besides those of the connections.
    private static let otherDescriptors = 64

    func validate() throws {
        guard duration.duration > .zero else { throw ValidationError("--duration must be greater than 0") }
        guard rate == nil || mode == .echo || mode == .publish else {
            throw ValidationError("--rate is only for the modes echo and publish")
        }
        if plot != nil, mode == .push { throw ValidationError("--plot: mode push has no latencies to draw") }
        if mode == .publish, size.bytes < Payload.stampSize {
            throw ValidationError(
                "--size must be at least \(Payload.stampSize) in mode publish, since each message contains the time of sending"
            )
        }
        if let pid, ProcessFigures.time(of: pid) == nil {
            throw ValidationError("--pid: there is no process \(pid) in /proc")
        }
    }

    func run() async throws {
        let errors = Terminal.errors(outputOptions)
        let limit = System.raiseDescriptorLimit()
        guard connections + BenchCommand.otherDescriptors <= limit else {
            throw ValidationError(
                "\(connections) connections need as many open files, and the limit of this process is \(limit) (ulimit -n)"
            )
        }
        try tls.check(for: url)
        if let plot, let error = System.checkWritable(plot) {
            errors.print("lifeline bench: \(plot.visible()) could not be written (--plot): \(error.reason)")
            throw ExitStatus.outputFailed
        }
        do {
            let showsProgress = progress || errors.isTerminal
            let run = try BenchRun(plan, progress: showsProgress ? Progress(errors) : nil)
            let interruption = Interruption { run.interrupt() }
            defer { withExtendedLifetime(interruption) {} }
            let report = try await run.run()
            guard let report else {
                errors.print("lifeline bench: interrupted before the measurement began")
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
    /// - Returns: The exit status if that failed, or else `nil`.
    private func draw(_ report: BenchReport, _ errors: Terminal) throws -> ExitCode? {
        guard let plot else { return nil }
        let drawing = LatencyPlot(
            report.tally.latencies, title: "\(report.plan.url)",
            subtitle: "\(mode.rawValue), \(connections.counted("connection")), "
                + "\(Figures.grouped(report.perSecond)) \(report.unit)s/s")
        guard let error = System.write(drawing.svg, toFile: plot) else { return nil }
        errors.print("lifeline bench: \(plot.visible()) could not be written (--plot): \(error.reason)")
        return ExitStatus.outputFailed
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
            payload: Payload(size: size.bytes, isText: text), rate: rate?.perSecond, duration: duration.duration,
            warmup: warmup.duration, loops: min(loops, connections), client: client, process: pid)
    }

    private var client: WebSocketClientConfiguration {
        var configuration = WebSocketClientConfiguration()
        configuration.engine = engine
        configuration.headerFields = HTTPFields(header)
        configuration.tls = tls.configuration
        let largest = max(size.bytes, 16 << 20)
        configuration.endpoint.maximumMessageSize = largest
        configuration.endpoint.maximumFrameSize = largest
        configuration.endpoint.closeTimeout = .seconds(2)
        configuration.endpoint.compression =
            compress ? configuration.endpoint.compression.map(compression.configuration) : nil
        // Only idle connections need Pings to notice a dead server.
        if mode != .idle { configuration.endpoint.heartbeat.interval = nil }
        // Large enough for all messages that may be in flight.
        configuration.buffers.maximumOutbound = max(16 << 20, (size.bytes + 128) * (inFlight + 1))
        return configuration
    }
}
