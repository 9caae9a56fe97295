import ArgumentParser
import Lifeline
import LifelineRelay
import LifelineTrace

/// `lifeline proxy`: a relay between clients and a server that draws and records what passes.
struct ProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Stand between clients and a server, and draw and record what passes.",
        discussion: """
            Every byte is passed on as it is, whether it is understood or not. TLS ends at the proxy on either side: it is \
            spoken with clients where there is a certificate, and with the server where --to is wss://. Nothing is changed, \
            so the server sees the Host and the Origin that the client has written, and the client's path. A server that is \
            one of several behind an address knows itself by Host: --rewrite-host has it see its own name there.

            Standard output has the diagrams, standard error a line for each connection that is opened, and one for its \
            end. The first line of standard output says where the proxy listens, the second where the page is that shows \
            every connection as it happens: on a port of its own, since all that comes to the proxy's is passed on.

            Faults test what stands behind. --drop-after, --cut and --reset take a time with its unit (5s, 250ms, 2m), \
            counted from when the connection to the server stands, or a number of bytes (1000, 64k, 1M) of both \
            directions together, handshake included, of which the last is still passed on.

            SIGINT (Ctrl-C) and SIGTERM end every connection, and the process with status 0; a second one ends it at once.

            EXAMPLES
              lifeline proxy --listen 9000 --to ws://127.0.0.1:8080
              lifeline proxy --listen 9000 --to wss://example.org --rewrite-host --record passed.jsonl
              lifeline proxy --listen 9000 --to ws://127.0.0.1:8080 --latency 200ms --drop-after 30s
            """)

    @Option(
        help: ArgumentHelp(
            "Where to listen; at 127.0.0.1 where there is no host. Port 0 picks a free one.", valueName: "[host:]port"))
    var listen: ListenAddress

    @Option(
        help: ArgumentHelp("The server: ws://host:port, or wss:// for TLS.", valueName: "url"),
        transform: URLArgument.parse)
    var to: WebSocketURL

    @Option(help: ArgumentHelp("The certificate chain for clients that speak TLS, in PEM form.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("The certificate's private key, in PEM form.", valueName: "file"))
    var tlsKey: String?

    @Option(help: ArgumentHelp("The certificates to trust, in PEM form, instead of the system's.", valueName: "file"))
    var cacert: String?

    @Flag(help: "Do not check the server's certificate.")
    var insecure = false

    @Flag(help: "Replace Host in the clients' requests by the server's name, as --to has it. Origin stays as it is.")
    var rewriteHost = false

    @Option(
        help: ArgumentHelp(
            "How long the connection to the server, and TLS with either side, may take.", valueName: "duration"))
    var connectTimeout = TimeSpan(.seconds(10))

    @Flag(help: "Draw nothing.")
    var quiet = false

    @OptionGroup(title: "Page") var page: ProxyPageArguments
    @OptionGroup(title: "Faults") var faults: FaultArguments
    @OptionGroup(title: "Recording") var recording: RecordingArguments
    @OptionGroup var outputOptions: OutputOptions

    func validate() throws {
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key belong together")
        }
        guard connectTimeout.duration > .zero else { throw ValidationError("--connect-timeout must be more than 0") }
    }

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        let recorder: Recorder?
        do {
            recorder = try recording.recorder()
        } catch {
            errors.print("lifeline proxy: " + errors.visible(error.description))
            throw ExitStatus.inputRefused
        }
        let log = ConnectionLog(terminal: errors, redaction: recording.redaction)
        let logging = Task { await log.write() }
        let queue = ProxyQueue()
        let board = page.board(recording.redaction)
        let reader = ProxyReader(
            output: quiet ? nil : output, errors: errors, log: log, recorder: recorder, board: board,
            server: to.authority, redaction: recording.redaction)
        let reading = Task { await queue.read(reader) }
        let ticking = Task {
            while true {
                try await Task.sleep(for: .milliseconds(100))
                queue.tick()
            }
        }
        var status = await relay(queue, board, log, output)
        ticking.cancel()
        queue.finish()
        let patience = Task {
            // Nobody who has not read the diagrams and the log by then will.
            try await Task.sleep(for: .seconds(1))
            output.abandon()
            try await Task.sleep(for: .seconds(1))
            errors.abandon()
        }
        await reading.value
        do throws(RecordingError) {
            try await recorder?.finish()
        } catch {
            log.note("the recording is not complete: " + error.description.visible())
            if status == ExitStatus.success { status = ExitStatus.outputFailed }
        }
        log.finish()
        await logging.value
        patience.cancel()
        throw status
    }

    /// Relays until it is to end.
    private func relay(
        _ queue: ProxyQueue, _ board: ConnectionBoard?, _ log: ConnectionLog, _ output: Terminal
    ) async -> ExitCode {
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let interruption = Interruption { stop.yield() }
        defer { withExtendedLifetime(interruption) {} }
        do {
            var configuration = configuration
            configuration.acceptFailed = { log.note("cannot accept connections: " + $0) }
            let relay = try Relay(configuration) { queue.add($0) }
            let address = try await relay.listen()
            let url = (tlsCert == nil ? "ws://" : "wss://") + "\(address)"
            let work: @Sendable (String?) async -> Void = { page in
                output.print("listening on " + output.paint(url, .bold))
                // As with lifeline serve: whoever has started it would wait for that line in vain.
                if output.failure != nil { return await relay.shutDown() }
                if let page { output.print("  " + page + output.paint("  shows every connection as it happens", .dim)) }
                if to.path != "/" { log.note("the path in --to means nothing: requests are passed on as they are") }
                for await _ in stops { break }
                log.note("stopping, with \(relay.openConnections.counted("open connection"))")
                await relay.shutDown()
            }
            if let board {
                let page = ProxyPage(
                    board: board, arguments: page, subject: "\(url) → \(to.isSecure ? "wss" : "ws")://\(to.authority)",
                    tls: configuration.tls, log: log)
                try await page.serve(work)
            } else {
                await work(nil)
            }
            return ExitStatus.success
        } catch let error as WebSocketError {
            log.note("lifeline proxy: " + error.message.visible())
            return ExitStatus.of(error)
        } catch {
            log.note("lifeline proxy: " + "\(error)".visible())
            return ExitStatus.networkFailure
        }
    }

    private var configuration: Relay.Configuration {
        var configuration = Relay.Configuration(
            address: listen.address, target: to,
            targetTLS: ClientTLS(trustedRoots: cacert.map { .file($0) }, verifiesServer: !insecure))
        if let tlsCert, let tlsKey {
            configuration.tls = ServerTLS(certificateChain: .file(tlsCert), privateKey: .file(tlsKey))
        }
        configuration.connectTimeout = connectTimeout.duration
        configuration.rewritesHost = rewriteHost
        configuration.latency = faults.latency.duration
        configuration.faults = faults.list
        return configuration
    }
}

/// What is done to connections on purpose.
struct FaultArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Delay each direction by so much; the order is kept.", valueName: "duration"))
    var latency = TimeSpan(.zero)

    @Option(
        help: ArgumentHelp(
            "From then on pass nothing on, in both directions, and leave both connections open: a dead peer.",
            valueName: "duration or bytes"))
    var dropAfter: FaultThreshold?

    @Option(help: ArgumentHelp("End TCP with both sides then (FIN).", valueName: "duration or bytes"))
    var cut: FaultThreshold?

    @Option(help: ArgumentHelp("Reset TCP with both sides then (RST).", valueName: "duration or bytes"))
    var reset: FaultThreshold?

    /// The faults, as the relay takes them.
    var list: [(fault: RelayFault, after: RelayFault.Threshold)] {
        [(RelayFault.drop, dropAfter), (.cut, cut), (.reset, reset)].compactMap { fault, after in
            after.map { (fault, $0.threshold) }
        }
    }
}
