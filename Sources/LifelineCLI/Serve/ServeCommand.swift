import ArgumentParser
import Lifeline
import LifelineTrace
import Logging

/// `lifeline serve`: a server for trying out clients.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a WebSocket server with an echo, a feed, and a page that shows every connection.",
        discussion: """
            The first line of standard output is the address at which the server listens. It is followed by the \
            server's paths and by the address of the page. Standard error has a line for each connection that is \
            opened, refused or closed.

            SIGINT (Ctrl-C) and SIGTERM close every connection with 1001, wait for the clients' answers, and end the \
            process with status 0. A second signal ends it at once.

            EXAMPLES
              lifeline serve
              lifeline serve --host :: --tls-cert chain.pem --tls-key key.pem
              lifeline serve --port 0 --interval 100ms
              lifeline serve --record served.jsonl

            EXIT STATUS
              0    stopped by Ctrl-C or SIGTERM
              2    the port is in use, or the address cannot be used
              64   the command line is wrong
              65   --tls-cert or --tls-key names a file with wrong content
              66   a file of --tls-cert or --tls-key could not be read
              74   standard output or the recording could not be written
              130  Ctrl-C a second time; 143 if it was SIGTERM
            """)

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"

    @Option(in: 0...65535, help: "The port to listen on; 0 picks a free one.")
    var port = 8080

    @OptionGroup var tls: ServerTLSOptions

    @Option(help: ArgumentHelp("The time between two updates at /push.", valueName: "duration"))
    var interval = TimeSpan(.seconds(1))

    @Option(help: ArgumentHelp("The largest message to accept, in bytes; k, M and G are allowed.", valueName: "bytes"))
    var maxMessageSize = ByteCount(1 << 20)

    @Option(help: ArgumentHelp("The time between two Pings; 0 sends none.", valueName: "duration"))
    var pingInterval = TimeSpan(.seconds(25))

    @Option(
        help: ArgumentHelp(
            """
            Allow web pages of this origin to connect: https://example.org or http://localhost:3000, without a path; \
            or 'any'. Repeatable. By default only the server's own pages may connect.
            """, valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(
        help: ArgumentHelp("The time limit for closing all connections after SIGINT or SIGTERM.", valueName: "duration")
    )
    var shutdownTimeout = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            """
            The engine that runs the event loops: automatic, nio (SwiftNIO), epoll or io_uring (Lifeline's own; Linux only, \
            without TLS).
            """, valueName: "engine"),
        transform: EngineName.parse)
    var engine = WebSocketEngine.automatic

    @Option(
        in: 1...1024,
        help: ArgumentHelp(
            "The number of event loops, each on a thread of its own; by default one per core.", valueName: "number"))
    var loops: Int?

    @OptionGroup(title: "Page") var page: PageOptions
    @OptionGroup(title: "Recording") var recording: RecordingArguments
    @OptionGroup(title: "Compression") var compression: CompressionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for origin in allowOrigin where origin != "any" {
            do throws(OriginPolicy.InvalidOrigin) {
                try OriginPolicy.check(origin)
            } catch {
                throw ValidationError("--allow-origin: \(error)")
            }
        }
        guard !host.isEmpty else {
            throw ValidationError("--host is empty; it must be an address or a name: 127.0.0.1, ::1, localhost")
        }
        guard interval.duration > .zero else { throw ValidationError("--interval must be greater than 0") }
        guard shutdownTimeout.duration > .zero else {
            throw ValidationError("--shutdown-timeout must be greater than 0")
        }
    }

    func run() async throws {
        try tls.check()
        let errors = Terminal.errors(output)
        let log = ConnectionLog(terminal: errors, originPolicy: originPolicy, redaction: recording.redaction)
        let writing = Task { await log.write() }
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let interruption = Interruption(limit: shutdownTimeout.duration + .seconds(5)) { stop.yield() }
        var status = ExitStatus.success
        var failure: WebSocketError?
        let recorder: Recorder?
        do {
            recorder = try recording.recorder()
        } catch {
            errors.print("lifeline serve: --record: " + errors.visible(error.description))
            throw ExitStatus.outputFailed
        }
        do {
            try await server(log, [log] + (recorder.map { [$0] } ?? [])).withRunningServer { address, engine in
                guard announce(address) else { return }
                log.note("serving with the engine \(engine)")
                for await _ in stops { break }
                log.note("stopping, with \(log.openConnections.counted("open connection"))")
            }
        } catch let error as WebSocketError {
            failure = error
            status = ExitStatus.of(error)
        }
        do throws(RecordingError) {
            try await recorder?.finish()
        } catch {
            log.note("the recording is incomplete: " + error.description.visible())
            if status == ExitStatus.success { status = ExitStatus.outputFailed }
        }
        log.finish()
        let timeout = Task {
            // Nobody is going to read what has not been read by then.
            try await Task.sleep(for: .seconds(1))
            errors.abandon()
        }
        await writing.value
        timeout.cancel()
        if let failure { errors.print("lifeline serve: " + errors.visible(failure.message)) }
        withExtendedLifetime(interruption) {}
        throw status
    }

    /// Prints where the server listens, its paths and the page. The first line is for programs.
    ///
    /// - Returns: `false` if it could not be written, because the disk is full for instance: whoever started the server
    ///   would wait for the line forever. A reader that has closed its end has read enough.
    private func announce(_ address: ServerAddress) -> Bool {
        let terminal = Terminal.output(output)
        terminal.print("listening on " + terminal.paint("\(tls.scheme)://\(address)", .bold))
        let width = ServeCommand.places.map(\.path.count).max() ?? 0
        for place in ServeCommand.places {
            let padding = String(repeating: " ", count: width - place.path.count + 2)
            terminal.print("  " + place.path + padding + terminal.paint(place.purpose, .dim))
        }
        if !page.noPage { terminal.print(page.line(address, tls, terminal)) }
        return terminal.failure == nil
    }

    // MARK: The server

    private static let places = [
        IndexPage.Place(path: "/echo", purpose: "sends every message back"),
        IndexPage.Place(path: "/echo/on-loop", purpose: "sends every message back, handled on the event loop"),
        IndexPage.Place(path: "/push", purpose: "sends an update at every interval"),
        IndexPage.Place(path: "/broadcast", purpose: "sends every message to all connections of this path"),
    ]

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
        if var connections = page.page(recording.redaction) {
            connections.places = ServeCommand.places.map(\.path)
            connections.mount(on: &server)
        }
        let index = IndexPage(scheme: tls.scheme, places: ServeCommand.places, hasPage: !page.noPage)
        server.respond(at: "/") { index.answer($0.request) }
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
        configuration.tls = tls.configuration
        configuration.originPolicy = originPolicy
        configuration.observers = observers
        // The log observes connections itself, in more detail, and escapes what it writes.
        configuration.logger = Logger(label: "lifeline.serve") { _ in WarningLog(log: log) }
        return configuration
    }
}
