import ArgumentParser
import Lifeline
import LifelineTrace
import Logging
import Synchronization

/// `lifeline replay`: plays a recorded connection again.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Replay the client or the server of a recorded connection, and compare the peer's answers.",
        discussion: """
            Plays the client's messages, Pings and Close frame to a server, or with --as-server those of the server \
            to the first client that connects. Compares each answer with the recorded one by kind, size and content, \
            and shows the first difference. Then compares the end: who initiated it, and the peer's code and reason.

            The recording must have complete payloads (--record-payloads whole). An HTTP Archive with WebSockets \
            (HAR) that a browser has exported can be played too. It has messages, but neither control frames nor an end.

            EXAMPLES
              lifeline trace --record day.jsonl --record-payloads whole ws://h/
              lifeline replay day.jsonl --to ws://127.0.0.1:8080/echo
              lifeline replay day.jsonl --to localhost:8080/echo --pace 0
              lifeline replay day.jsonl --as-server --port 9000

            EXIT STATUS
              0    all answers and the end are as recorded
              1    an answer differs, is missing, or was not recorded
              2    cannot connect to the server, or the port is in use
              3    the server refused the opening handshake, or its answer was
                   wrong
              64   the command line is wrong
              65   the recording cannot be played; --cacert names a file without
                   certificates
              66   the recording or the file of --cacert could not be read
              74   standard output could not be written (disk full)
              130  Ctrl-C, which closes the connection; the report covers the
                   time until then; 143 if it was SIGTERM
            """)

    @Argument(
        help: ArgumentHelp("The recording or archive; - reads standard input.", valueName: "file"),
        transform: FileName.parse)
    var file: String

    @Option(
        help: ArgumentHelp(
            "Play the client's side to this server: ws://host:port/path, or wss:// for TLS.", valueName: "url"),
        transform: URLArgument.parse)
    var to: WebSocketURL?

    @Flag(help: "Play the server's side to the first client that connects at the recorded path.")
    var asServer = false

    @Option(in: 0...65535, help: "The port on 127.0.0.1 to listen on with --as-server; 0 picks a free one.")
    var port = 0

    @Option(
        help: ArgumentHelp(
            "Play the connection with this number. By default it is the first WebSocket connection.",
            valueName: "number"))
    var connection: ConnectionNumber?

    @Option(
        help: ArgumentHelp(
            "The speed: 1 as recorded, 2 twice as fast, 0 as fast as the answers arrive.", valueName: "factor"))
    var pace = Pace(1)

    @Option(
        help: ArgumentHelp(
            "Ignore JSON members with this name in comparisons; repeatable.", valueName: "name"))
    var ignoreMember: [String] = []

    @Option(
        help: ArgumentHelp(
            "How much longer than recorded an answer may take, including the answer to a Close frame.",
            valueName: "duration")
    )
    var wait = TimeSpan(.seconds(5))

    @OptionGroup(title: "Connection") var client: ClientOptions
    @OptionGroup var outputOptions: OutputOptions

    /// The speed of a replay, on the command line.
    struct Pace: LimitedArgument, CustomStringConvertible {
        let factor: Double

        static let allowed = "0, which waits only for the answers, or a number from 0.000001 to 1000000"

        init(_ factor: Double) {
            self.factor = factor
        }

        init?(argument: String) {
            guard let factor = Double(argument), factor == 0 || (1e-6...1e6).contains(factor) else { return nil }
            self.factor = factor
        }

        var description: String { Figures.short(factor) }
    }

    func validate() throws {
        guard (to != nil) != asServer else {
            throw ValidationError(
                asServer
                    ? "--to and --as-server exclude each other: --to plays the client's side, --as-server the server's"
                    : "either --to or --as-server must be given")
        }
    }

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        let replay: Replay
        switch read() {
        case .success(let read): replay = read
        case .failure(let reason):
            errors.print("lifeline replay: " + errors.visible("\(file): \(reason)"))
            throw (reason as? Recording.Unreadable)?.status ?? ExitStatus.inputRefused
        }
        if let to { try client.tls.check(for: to) }
        let comparison = ReplayComparison(replay, ignoring: ignoreMember)
        let early = ReplayInterruption()
        let player = ReplayPlayer(
            replay: replay, comparison: comparison, pace: pace.factor, timeout: wait.duration, interruption: early)
        let interruption = Interruption {
            guard !early.interrupt() else { return }
            let who = asServer ? "a client had connected" : "the connection was open"
            _ = try? errors.writeAtOnce("lifeline replay: interrupted before \(who)\n")
            System.exitNow(Interruption.status)
        }
        defer { withExtendedLifetime(interruption) {} }
        do {
            if let to { try await play(player, to: to) } else { try await serve(player, output, errors) }
        } catch let error as WebSocketError {
            errors.print("lifeline replay: " + errors.visible(error.message))
            throw ExitStatus.of(error)
        }
        if early.isInterrupted {
            for line in comparison.interruptedReport() { output.print(output.visible(line)) }
            throw ExitStatus.interrupted
        }
        let (isSame, lines) = comparison.report()
        for line in lines { output.print(output.visible(line)) }
        throw isSame ? ExitStatus.success : ExitStatus.different
    }

    private func read() -> Result<Replay, any Error> {
        do {
            let recording = try Recording.read(file)
            let replay = try Replay(recording, connection: connection?.value, side: asServer ? .server : .client)
            guard !asServer || replay.path.hasPrefix("/") else {
                return .failure(
                    Replay.Unplayable(
                        description:
                            "the target of the recorded request is not a path, so no client can connect to it: \(replay.path)"
                    ))
            }
            return .success(replay)
        } catch {
            return .failure(error)
        }
    }

    private func play(_ player: ReplayPlayer, to url: WebSocketURL) async throws {
        var configuration = client.configuration([])
        if configuration.subprotocols.isEmpty, let subprotocol = player.replay.subprotocol {
            configuration.subprotocols = [subprotocol]
        }
        try await WebSocketClient.connect(to: "\(url)", configuration: configuration) { await player.play($0) }
    }

    private func serve(_ player: ReplayPlayer, _ output: Terminal, _ errors: Terminal) async throws {
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        let log = ConnectionLog(terminal: errors)
        let logging = Task { await log.write() }
        var configuration = WebSocketServerConfiguration()
        configuration.originPolicy = .any
        configuration.observers = [log]
        // Other clients than the played one may still be connected.
        configuration.shutdownTimeout = .milliseconds(500)
        configuration.logger = Logger(label: "lifeline.replay") { _ in WarningLog(log: log) }
        configuration.endpoint.maximumMessageSize = client.maxMessageSize.bytes
        configuration.endpoint.maximumFrameSize = client.maxMessageSize.bytes
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: port), configuration: configuration)
        let first = FirstOnly()
        server.route(player.replay.path, subprotocols: player.replay.subprotocol.map { [$0] } ?? []) { socket in
            guard first.take() else {
                _ = try await socket.close(
                    code: .tryAgainLater, reason: "the recording is being played to another client")
                return
            }
            await player.play(socket)
            end.yield()
        }
        try await server.withServer { address in
            output.print("listening on " + output.paint("ws://\(address)", .bold))
            output.print(
                "  " + output.visible(player.replay.path) + output.paint("  waits for a client", .dim))
            // Without the address, no client could connect.
            guard output.failure == nil else { return }
            for await _ in ends { break }
        }
        log.finish()
        await logging.value
    }
}

/// A flag that only the first caller gets.
private final class FirstOnly: Sendable {
    private let isTaken = Atomic(false)

    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
