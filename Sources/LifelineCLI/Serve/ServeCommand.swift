import ArgumentParser
import Lifeline
import LifelineTrace
import Logging

/// `lifeline serve`: a server to try clients against.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve an echo, a feed, and a page that says what is where.",
        discussion: """
            The first line of standard output says where the server listens. Standard error has a line for each connection \
            that is opened, and one for its end.

            SIGINT (Ctrl-C) and SIGTERM close every connection with 1001, wait for the answers, and end the process with \
            status 0; a second one ends it at once.

            EXAMPLES
              lifeline serve
              lifeline serve --host :: --tls-cert chain.pem --tls-key key.pem
              lifeline serve --port 0 --interval 100ms
              lifeline serve --record served.jsonl
            """)

    @Option(help: "The address to listen at.")
    var host = "127.0.0.1"

    @Option(help: "The port to listen at; 0 picks a free one.")
    var port = 8080

    @Option(help: ArgumentHelp("The certificate chain for wss, in PEM form.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("The certificate's private key, in PEM form.", valueName: "file"))
    var tlsKey: String?

    @Option(help: ArgumentHelp("The time between two updates at /push.", valueName: "duration"))
    var interval = TimeSpan(.seconds(1))

    @Option(help: ArgumentHelp("The most bytes of a message; k and M are understood.", valueName: "bytes"))
    var maxMessageSize = ByteCount(1 << 20)

    @Option(help: ArgumentHelp("The time between two Pings; 0 sends none.", valueName: "duration"))
    var pingInterval = TimeSpan(.seconds(25))

    @Option(
        help: ArgumentHelp(
            """
            An origin whose pages may connect, as https://example.org or http://localhost:3000, without a path; or 'any'. \
            Repeatable. By default only the server's own pages may.
            """, valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(
        help: ArgumentHelp("How long the end may take after SIGINT or SIGTERM.", valueName: "duration"))
    var shutdownTimeout = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            """
            What moves the bytes: automatic, nio (SwiftNIO), epoll or io_uring (Lifeline's own, on Linux, without TLS).
            """, valueName: "engine"),
        transform: EngineName.parse)
    var engine = WebSocketEngine.automatic

    @Option(
        help: ArgumentHelp(
            "The number of event loops, each a thread; by default one for each core.", valueName: "number"))
    var loops: Int?

    @Flag(help: "Do not serve the page at /lifeline that shows every connection.")
    var noPage = false

    @Option(
        help: ArgumentHelp(
            "Show the page to whoever knows the token (/lifeline?token=…), and not to this machine alone.",
            valueName: "token"),
        transform: PageToken.parse)
    var pageToken: String?

    @Flag(help: "Show the first 4 KiB of payloads on the page.")
    var showPayloads = false

    @OptionGroup(title: "Recording") var recording: RecordingArguments

    @OptionGroup(title: "Compression") var compression: CompressionOptions

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("the port must be a number from 0 to 65535") }
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-cert and --tls-key belong together")
        }
        guard loops.map({ (1...1024).contains($0) }) ?? true else {
            throw ValidationError("--loops must be a number from 1 to 1024")
        }
        for origin in allowOrigin where origin != "any" {
            do throws(OriginPolicy.InvalidOrigin) {
                try OriginPolicy.check(origin)
            } catch {
                throw ValidationError("--allow-origin: \(error)")
            }
        }
        guard interval.duration > .zero else { throw ValidationError("--interval must be more than 0") }
        guard shutdownTimeout.duration > .zero else { throw ValidationError("--shutdown-timeout must be more than 0") }
    }

    func run() async throws {
        let errors = Terminal.errors(output)
        let log = ConnectionLog(terminal: errors, originPolicy: originPolicy, redaction: recording.redaction)
        let writing = Task { await log.write() }
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let interruption = Interruption(limit: shutdownTimeout.duration + .seconds(5)) { stop.yield() }
        var status = ExitStatus.success
        let recorder: Recorder?
        do {
            recorder = try recording.recorder()
        } catch {
            errors.print("lifeline serve: " + errors.visible(error.description))
            throw ExitStatus.inputRefused
        }
        do {
            try await server(log, [log] + (recorder.map { [$0] } ?? [])).withServer { address in
                guard announce(address) else { return }
                log.note("served by \(engine.resolved(usesTLS: tlsCert != nil))")
                for await _ in stops { break }
                log.note("stopping, with \(log.openConnections.counted("open connection"))")
            }
        } catch let error as WebSocketError {
            log.note("lifeline serve: " + error.message.visible())
            status = ExitStatus.of(error)
        }
        do throws(RecordingError) {
            try await recorder?.finish()
        } catch {
            log.note("the recording is not complete: " + error.description.visible())
            if status == ExitStatus.success { status = ExitStatus.outputFailed }
        }
        log.finish()
        let patience = Task {
            // Nobody who has not read the log by then will.
            try await Task.sleep(for: .seconds(1))
            errors.abandon()
        }
        await writing.value
        patience.cancel()
        withExtendedLifetime(interruption) {}
        throw status
    }

    /// Says where the server listens; the first line is for programs.
    ///
    /// - Returns: `false` where that cannot be written, as on a full disk: whoever has started the server would wait for it in
    ///   vain. A reader that has gone has read enough.
    private func announce(_ address: ServerAddress) -> Bool {
        let terminal = Terminal.output(output)
        let url = "\(scheme)://\(address)"
        terminal.print("listening on " + terminal.paint(url, .bold))
        let width = ServeCommand.places.map(\.path.count).max() ?? 0
        for place in ServeCommand.places {
            let padding = String(repeating: " ", count: width - place.path.count + 2)
            terminal.print("  " + place.path + padding + terminal.paint(place.purpose, .dim))
        }
        return terminal.failure == nil
    }

    // MARK: The server

    private static let places = [
        IndexPage.Place(path: "/echo", purpose: "sends every message back"),
        IndexPage.Place(path: "/echo/on-loop", purpose: "the same, handled on the event loop"),
        IndexPage.Place(path: "/push", purpose: "sends an update now and then, unasked"),
        IndexPage.Place(path: "/broadcast", purpose: "sends every message to all who are there"),
        IndexPage.Place(path: "/lifeline", purpose: "a page that shows every connection as it happens"),
        IndexPage.Place(path: "/", purpose: "a page that says so, over HTTP"),
    ]

    private var scheme: String { tlsCert == nil ? "ws" : "wss" }

    private func server(_ log: ConnectionLog, _ observers: [any LifecycleObserver]) -> WebSocketServer {
        var server = WebSocketServer(
            address: .hostname(host, port: port), configuration: configuration(log, observers))
        server.route("/echo") { socket in
            for try await message in socket { try await socket.send(message) }
        }
        server.routeOnLoop("/echo/on-loop") { _ in EchoHandler() }
        let feed = PushFeed(interval: interval.duration)
        server.route("/push") { try await feed.run($0) }
        let broadcast = Broadcast()
        server.route("/broadcast") { try await broadcast.serve($0) }
        if !noPage {
            var options = ConnectionBoard.Options()
            options.payloadLimit = showPayloads ? 4096 : 0
            options.redaction = recording.redaction
            var connections = ConnectionPage(board: ConnectionBoard(options: options), token: pageToken)
            connections.places = ["/echo", "/echo/on-loop", "/push", "/broadcast"]
            connections.mount(on: &server)
        }
        let page = IndexPage(scheme: scheme, places: ServeCommand.places)
        server.respond(at: "/") { page.answer($0.request) }
        return server
    }

    private var originPolicy: OriginPolicy {
        if allowOrigin.contains("any") { return .any }
        return allowOrigin.isEmpty ? .sameOrigin : .oneOf(allowOrigin)
    }

    private func configuration(
        _ log: ConnectionLog, _ observers: [any LifecycleObserver]
    ) -> WebSocketServerConfiguration {
        var configuration = WebSocketServerConfiguration()
        configuration.endpoint.maximumMessageSize = maxMessageSize.bytes
        configuration.endpoint.maximumFrameSize = maxMessageSize.bytes
        configuration.endpoint.heartbeat.interval = pingInterval.duration > .zero ? pingInterval.duration : nil
        configuration.endpoint.compression = compression.configuration(configuration.endpoint.compression)
        configuration.engine = engine
        configuration.loopCount = loops
        configuration.shutdownTimeout = shutdownTimeout.duration
        if let tlsCert, let tlsKey {
            configuration.tls = ServerTLS(certificateChain: .file(tlsCert), privateKey: .file(tlsKey))
        }
        configuration.originPolicy = originPolicy
        configuration.observers = observers
        // Of connections the observer sees more, and what it writes is escaped.
        configuration.logger = Logger(label: "lifeline.serve") { _ in WarningLog(log: log) }
        return configuration
    }
}
