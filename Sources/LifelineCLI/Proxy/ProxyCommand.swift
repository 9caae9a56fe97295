import ArgumentParser
import Lifeline
import LifelineRelay
import LifelineTrace

/// `lifeline proxy`: a relay between clients and a server that draws and records their connections.
struct ProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Relay connections between clients and a server, and draw and record them.",
        discussion: """
            The proxy relays all bytes unchanged, whether it understands them or not. It terminates TLS on both \
            sides: it speaks TLS with clients if it has a certificate, and with the server if --to is wss://. The \
            server therefore receives the client's path, Host and Origin. A server that shares its address with \
            others needs its own name in Host: --rewrite-host puts it there. If the server cannot be reached, the \
            client receives the status 502.

            Standard output has the diagrams, standard error a line for each connection that is opened, refused or \
            closed. The first line of standard output is the address at which the proxy listens, the second that of \
            the page that shows every connection. The page has a port of its own, since the proxy's port relays every \
            request.

            Faults test how clients and servers cope. --drop-after, --cut and --reset take a duration with its unit \
            (5s, 250ms, 2m), counted from the moment at which the proxy is connected to the server; or a number of \
            bytes (1000, 64k, 1M), counted over both directions with the handshake, the last of which is still relayed.

            SIGINT (Ctrl-C) and SIGTERM end every connection, and the process with status 0. A second signal ends it \
            at once.

            EXAMPLES
              lifeline proxy --listen 9000 --to ws://127.0.0.1:8080
              lifeline proxy --listen 9000 --to wss://example.org --rewrite-host
              lifeline proxy --listen 9000 --to localhost:8080 --record day.jsonl
              lifeline proxy --listen 9000 --to localhost:8080 --latency 200ms

            EXIT STATUS
              0    stopped by Ctrl-C or SIGTERM
              2    a port is in use, or an address cannot be used
              64   the command line is wrong
              65   --tls-cert, --tls-key or --cacert names a file with wrong
                   content
              66   a file of --tls-cert, --tls-key or --cacert could not be read
              74   standard output or the recording could not be written
              130  Ctrl-C a second time; 143 if it was SIGTERM
            """)

    @Option(
        help: ArgumentHelp(
            "The address to listen on; the host defaults to 127.0.0.1. Port 0 picks a free one.",
            valueName: "[host:]port"))
    var listen: ListenAddress

    @Option(
        help: ArgumentHelp("The server: ws://host:port, or wss:// for TLS. Its path is ignored.", valueName: "url"),
        transform: URLArgument.parse)
    var to: WebSocketURL

    @OptionGroup var tls: ServerTLSOptions
    @OptionGroup var serverTLS: ClientTLSOptions

    @Flag(help: "Replace Host in the clients' requests with the host of --to. Origin is not changed.")
    var rewriteHost = false

    @Option(
        help: ArgumentHelp(
            "The timeout for connecting to the server, and for each TLS handshake.", valueName: "duration"
        ))
    var connectTimeout = TimeSpan(.seconds(10))

    @Flag(help: "Draw no diagrams.")
    var quiet = false

    @OptionGroup(title: "Page") var page: ProxyPageArguments
    @OptionGroup(title: "Faults") var faults: FaultArguments
    @OptionGroup(title: "Recording") var recording: RecordingArguments
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard connectTimeout.duration > .zero else { throw ValidationError("--connect-timeout must be greater than 0") }
    }

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        try tls.check()
        try serverTLS.check(for: to)
        let recorder: Recorder?
        do {
            recorder = try recording.recorder()
        } catch {
            errors.print("lifeline proxy: --record: " + errors.visible(error.description))
            throw ExitStatus.outputFailed
        }
        let log = ConnectionLog(terminal: errors, redaction: recording.redaction)
        let logging = Task { await log.write() }
        let queue = ProxyQueue()
        let connections = page.options.page(recording.redaction)
        let reader = ProxyReader(
            output: quiet ? nil : output, log: log, recorder: recorder, board: connections?.board,
            server: to.authority, redaction: recording.redaction)
        let reading = Task { await queue.read(reader) }
        let ticking = Task {
            while true {
                try await Task.sleep(for: .milliseconds(100))
                queue.tick()
            }
        }
        let (relayed, failure) = await relay(queue, connections, log, output)
        var status = relayed
        ticking.cancel()
        queue.finish()
        let timeout = Task {
            // Nobody is going to read what has not been read by then.
            try await Task.sleep(for: .seconds(1))
            output.abandon()
            try await Task.sleep(for: .seconds(1))
            errors.abandon()
        }
        await reading.value
        do throws(RecordingError) {
            try await recorder?.finish()
        } catch {
            log.note("the recording is incomplete: " + error.description.visible())
            if status == ExitStatus.success { status = ExitStatus.outputFailed }
        }
        log.finish()
        await logging.value
        timeout.cancel()
        if let failure { errors.print("lifeline proxy: " + errors.visible(failure)) }
        throw status
    }

    /// Relays connections until a signal arrives.
    ///
    /// - Returns: The exit status, and what went wrong, if anything did.
    private func relay(
        _ queue: ProxyQueue, _ connections: ConnectionPage?, _ log: ConnectionLog, _ output: Terminal
    ) async -> (status: ExitCode, failure: String?) {
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let interruption = Interruption { stop.yield() }
        defer { withExtendedLifetime(interruption) {} }
        do {
            var configuration = configuration
            configuration.acceptFailed = { log.note("cannot accept connections: " + $0) }
            let relay = try Relay(configuration) { queue.add($0) }
            let address = try await relay.listen()
            let url = "\(tls.scheme)://\(address)"
            let work: @Sendable (String?) async -> Void = { page in
                output.print("listening on " + output.paint(url, .bold))
                // As in lifeline serve: whoever started it would wait for that line forever.
                if output.failure != nil { return await relay.shutDown() }
                if let page { output.print(page) }
                if to.path != "/" { log.note("the path in --to is ignored: requests are relayed with their own paths") }
                for await _ in stops { break }
                log.note("stopping, with \(relay.openConnections.counted("open connection"))")
                await relay.shutDown()
            }
            if var connections {
                connections.subject = "\(url) → \(to.isSecure ? "wss" : "ws")://\(to.authority)"
                try await ProxyPage(page: connections, arguments: page, tls: tls, log: log, terminal: output).serve(
                    work)
            } else {
                await work(nil)
            }
            return (ExitStatus.success, nil)
        } catch let error as WebSocketError {
            return (ExitStatus.of(error), error.message)
        } catch {
            return (ExitStatus.networkFailure, "\(error)")
        }
    }

    private var configuration: Relay.Configuration {
        var configuration = Relay.Configuration(
            address: listen.address, target: to, targetTLS: serverTLS.configuration)
        configuration.tls = tls.configuration
        configuration.connectTimeout = connectTimeout.duration
        configuration.rewritesHost = rewriteHost
        configuration.latency = faults.latency.duration
        configuration.faults = faults.list
        return configuration
    }
}

/// The faults that the proxy causes on purpose.
struct FaultArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Delay each direction by this long. The order is kept.", valueName: "duration"))
    var latency = TimeSpan(.zero)

    @Option(
        help: ArgumentHelp(
            "Stop relaying at this point and leave both connections open, like a dead peer.",
            valueName: "duration or bytes"))
    var dropAfter: FaultThreshold?

    @Option(help: ArgumentHelp("Close both TCP connections at this point (FIN).", valueName: "duration or bytes"))
    var cut: FaultThreshold?

    @Option(help: ArgumentHelp("Reset both TCP connections at this point (RST).", valueName: "duration or bytes"))
    var reset: FaultThreshold?

    /// The faults in the form that the relay takes.
    var list: [(fault: RelayFault, after: RelayFault.Threshold)] {
        [(RelayFault.drop, dropAfter), (.cut, cut), (.reset, reset)].compactMap { fault, after in
            after.map { (fault, $0.threshold) }
        }
    }
}
