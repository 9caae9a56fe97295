import ArgumentParser
import Lifeline
import LifelineTrace
import Logging
import Synchronization

/// `lifeline replay`: a recorded connection, once more.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Play a side of a recorded connection again, and say where the other side answers differently.",
        discussion: """
            Plays the client's messages, Pings and Close frame to a server, or with --as-server the server's to the first \
            client that connects, and compares what is answered with what was recorded, message by message: its kind, its \
            size and its content. The first difference is shown. Then the end is compared: who began it, the other side's \
            code and reason, or that there was no Close frame.

            The recording must have its payloads whole: --record-payloads whole. An HTTP Archive with WebSockets, as browsers \
            export it (HAR), is played too: its messages, since it has neither control frames nor an end.

            EXAMPLES
              lifeline proxy --listen 9000 --to ws://127.0.0.1:8080 --record day.jsonl --record-payloads whole
              lifeline replay day.jsonl --to ws://127.0.0.1:8080/echo
              lifeline replay day.jsonl --to ws://127.0.0.1:8080/echo --pace 0 --ignore-member time
              lifeline replay day.jsonl --as-server --port 9000

            EXIT STATUS
              0 where all answers and the end are as recorded, 1 where one differs, is missing, or was not recorded; \
            otherwise as of lifeline connect: 2 where there is no connection, or no port to listen at, 3 where the opening \
            handshake is refused, 130 after Ctrl-C; and 65 where the recording cannot be played.
            """)

    @Argument(help: ArgumentHelp("The recording, or an archive; - for standard input.", valueName: "file"))
    var file: String

    @Option(
        help: ArgumentHelp("The server to play to: ws://host:port/path, or wss:// for TLS.", valueName: "url"),
        transform: URLArgument.parse)
    var to: WebSocketURL?

    @Flag(help: "Play the server's side, to the first client that connects at the recorded path.")
    var asServer = false

    @Option(help: "The port to listen at with --as-server, at 127.0.0.1; 0 picks a free one.")
    var port = 0

    @Option(
        help: ArgumentHelp(
            "The number of the connection to play; the first WebSocket of the recording by default.",
            valueName: "number"))
    var connection: UInt64?

    @Option(
        help: ArgumentHelp(
            "How fast: 1 as recorded, 2 twice as fast, 0 as fast as the answers come.", valueName: "factor"))
    var pace = 1.0

    @Option(
        help: ArgumentHelp(
            "A member of JSON messages whose value may differ; repeatable.", valueName: "name"))
    var ignoreMember: [String] = []

    @Option(
        help: ArgumentHelp(
            "How much longer than recorded an answer may take, that to a Close frame too.", valueName: "duration"))
    var wait = TimeSpan(.seconds(5))

    @OptionGroup(title: "Connection") var client: ClientOptions
    @OptionGroup var outputOptions: OutputOptions

    /// How fast it can be played.
    private static let paces = 1e-6...1e6

    func validate() throws {
        guard (to != nil) != asServer else { throw ValidationError("either --to or --as-server is needed") }
        guard pace == 0 || ReplayCommand.paces.contains(pace) else {
            throw ValidationError(
                "--pace must be 0, which waits for nothing but the answers, or a number from 0.000001 to 1000000, not "
                    + "\(pace)")
        }
        guard (0...65535).contains(port) else { throw ValidationError("the port must be a number from 0 to 65535") }
    }

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        let replay: Replay
        switch read() {
        case .success(let read): replay = read
        case .failure(let reason):
            errors.print("lifeline replay: " + errors.visible("\(file): \(reason)"))
            throw ExitStatus.inputRefused
        }
        let comparison = ReplayComparison(replay, ignoring: ignoreMember)
        let player = ReplayPlayer(replay: replay, comparison: comparison, pace: pace, patience: wait.duration)
        let interruption = Interruption { System.exitNow(Interruption.status) }
        defer { withExtendedLifetime(interruption) {} }
        do {
            if let to { try await play(player, to: to) } else { try await serve(player, output, errors) }
        } catch let error as WebSocketError {
            errors.print("lifeline replay: " + errors.visible(error.message))
            throw ExitStatus.of(error)
        }
        let (isSame, lines) = comparison.report()
        for line in lines { output.print(output.visible(line)) }
        throw isSame ? ExitStatus.success : ExitStatus.different
    }

    private func read() -> Result<Replay, Replay.Unplayable> {
        do {
            let recording = try Recording.read(file)
            let replay = try Replay(recording, connection: connection, side: asServer ? .server : .client)
            guard !asServer || replay.path.hasPrefix("/") else {
                return .failure(
                    Replay.Unplayable(
                        description:
                            "the recorded request's target is no path that begins with /, at which a client could "
                            + "be waited for: \(replay.path)"))
            }
            return .success(replay)
        } catch {
            return .failure(Replay.Unplayable(description: "\(error)"))
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
        // For other clients than the one that was played to.
        configuration.shutdownTimeout = .milliseconds(500)
        configuration.logger = Logger(label: "lifeline.replay") { _ in WarningLog(log: log) }
        configuration.endpoint.maximumMessageSize = client.maxMessageSize.bytes
        configuration.endpoint.maximumFrameSize = client.maxMessageSize.bytes
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: port), configuration: configuration)
        let first = FirstOnly()
        server.route(player.replay.path, subprotocols: player.replay.subprotocol.map { [$0] } ?? []) { socket in
            guard first.take() else {
                _ = try await socket.close(code: .tryAgainLater, reason: "another client is being played to")
                return
            }
            await player.play(socket)
            end.yield()
        }
        try await server.withServer { address in
            output.print("listening on " + output.paint("ws://\(address)", .bold))
            output.print(
                "  " + output.visible(player.replay.path) + output.paint("  is where a client is waited for", .dim))
            // No client can learn the address.
            guard output.failure == nil else { return }
            for await _ in ends { break }
        }
        log.finish()
        await logging.value
    }
}

/// Something that only the first who asks gets.
private final class FirstOnly: Sendable {
    private let isTaken = Atomic(false)

    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
