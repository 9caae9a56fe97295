import ArgumentParser
import Lifeline

/// `lifeline connect`: a client for terminals and pipes.
struct ConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Connect to a WebSocket server, on a terminal or in a pipe.",
        discussion: """
            Sends each line of standard input as a message, and writes each received message to standard output: text \
            as a line, binary messages byte for byte.

            On a terminal, received messages are marked with < and sent ones with >, and control characters are \
            escaped. Ctrl-D and Ctrl-C close the connection. In a pipe, the connection is closed once standard input \
            has ended and nothing was received for a while (--wait). If a message was sent and nothing was received \
            at all, standard error says so, and the status is 5. How the connection ended is written to standard error.

            A line ends with LF or CR LF, which are not sent. With --message, a whole file is one message, with all \
            its bytes.

            EXAMPLES
              lifeline connect ws://127.0.0.1:8080/echo
              echo hello | lifeline connect ws://127.0.0.1:8080/echo
              lifeline connect --binary --message photo.png ws://h/upload
              jq . order.json | lifeline connect --message - ws://h/orders
              lifeline connect --wait forever --json ws://127.0.0.1:8080/push </dev/null
              lifeline connect -H 'Cookie: a=b' --subprotocol chat wss://example.org/

            EXIT STATUS
              0    clean end: code 1000, 1001, none, or that of --close-code;
                   also after Ctrl-C, and if the reader closes the pipe (head)
              2    no connection: unknown host, connection refused, TLS, timeout
              3    the server refused the opening handshake, or its answer was
                   wrong; standard error has the answer
              4    the connection ended abnormally, or with another code
              5    a message was sent and nothing was received within --wait
              64   the command line is invalid
              65   a line of standard input could not be sent (others were), or
                   the content of a file of --message (nothing was); --cacert
                   names a file without certificates
              66   a file of --message or --cacert could not be read
              74   standard output could not be written (disk full)
              130  Ctrl-C before the connection was open, or a second time;
                   143 if it was SIGTERM
            """)

    @Argument(help: URLArgument.help, transform: URLArgument.parse)
    var url: WebSocketURL

    @Flag(help: "Send lines as binary messages instead of text.")
    var binary = false

    @Option(
        help: ArgumentHelp(
            """
            Send this file as one message, in place of the lines of standard input; - sends all of standard input. \
            Repeatable. With --binary it is a binary message.
            """, valueName: "file"),
        transform: FileName.parse)
    var message: [String] = []

    @Flag(help: "Show binary messages as hexadecimal digits. With --binary, also read lines as hexadecimal digits.")
    var hex = false

    @Flag(help: "Show control frames: Ping, Pong with its round-trip time, and Close.")
    var control = false

    @Flag(help: "Show when each line was sent or received.")
    var timestamps = false

    @Flag(help: "Write each event as a JSON object on one line: open, message, ping, pong, close.")
    var json = false

    @Option(
        help: ArgumentHelp(
            """
            How long to wait for messages after the end of standard input. Each received message restarts the \
            timer. 'forever' waits for the peer to close. The default is 1s, or 0s if standard input is a terminal.
            """, valueName: "duration"))
    var wait: Wait?

    @Option(in: 1000...4999, help: ArgumentHelp("The code of the Close frame.", valueName: "code"))
    var closeCode: UInt16 = 1000

    @Option(help: ArgumentHelp("The reason in the Close frame.", valueName: "text"))
    var closeReason = ""

    @OptionGroup(title: "Connection") var client: ClientOptions
    @OptionGroup var outputOptions: OutputOptions

    /// How long to wait after the end of the input.
    enum Wait: LimitedArgument {
        case silence(Duration)
        case forever

        static let allowed = "'forever', or " + TimeSpan.allowed

        init?(argument: String) {
            if argument == "forever" {
                self = .forever
            } else {
                guard let span = TimeSpan(argument: argument) else { return nil }
                self = .silence(span.duration)
            }
        }
    }

    func validate() throws {
        do throws(CloseFrameError) {
            _ = try CloseFrame(code: CloseCode(rawValue: closeCode), reason: closeReason)
        } catch {
            throw ValidationError("\(error)")
        }
        guard message.count(where: { $0 == "-" }) <= 1 else {
            throw ValidationError("--message - can be given only once, since standard input can be read only once")
        }
    }

    func run() async throws {
        let output = Terminal.output(outputOptions)
        let errors = Terminal.errors(outputOptions)
        try client.tls.check(for: url)
        let isTyped = System.isTerminal(0) && message.isEmpty
        let format: Transcript.Format = json ? .json : output.isTerminal ? .conversation : .plain
        let journal = control || json ? ControlJournal() : nil
        let transcript = Transcript(
            output: output, errors: errors,
            options: Transcript.Options(
                format: format, isTyped: isTyped, showsTimestamps: timestamps, showsControl: control,
                showsHexadecimal: hex),
            journal: journal)
        let encoding = LineEncoding(isBinary: binary, isHexadecimal: hex, limit: client.maxMessageSize.bytes)
        let messages: [WebSocketMessage]?
        switch read(message, encoding) {
        case .success(let read): messages = message.isEmpty ? nil : read
        case .failure(let refusal):
            errors.print("lifeline connect: " + errors.visible(refusal.description))
            throw refusal.isUnreadable ? ExitStatus.inputMissing : ExitStatus.inputRefused
        }
        let session = Session(
            Session.Options(
                url: url, client: client.configuration(journal.map { [$0] } ?? []), encoding: encoding,
                messages: messages, wait: silence(isTyped),
                closeCode: CloseCode(rawValue: closeCode), closeReason: closeReason),
            transcript, output: output, errors: errors, lines: LineSource(limit: encoding.lineLimit))
        throw await session.run()
    }

    /// Reads files, each as one message.
    private func read(_ files: [String], _ encoding: LineEncoding) -> Result<[WebSocketMessage], LineEncoding.Refusal> {
        var messages: [WebSocketMessage] = []
        for file in files {
            let name = file == "-" ? "standard input" : file
            switch System.readFile(file, limit: encoding.lineLimit) {
            case .failure(let error):
                let hint = error.isTooLong ? "; --max-message-size sets the limit" : ""
                return .failure(
                    LineEncoding.Refusal(
                        description: "--message: \(name) was not sent: \(error.reason)\(hint)",
                        isUnreadable: !error.isTooLong))
            case .success(let bytes):
                switch encoding.message(name, bytes) {
                case .success(let message): messages.append(message)
                case .failure(let refusal): return .failure(refusal)
                }
            }
        }
        return .success(messages)
    }

    private func silence(_ isTyped: Bool) -> Duration? {
        switch wait {
        case .forever: nil
        case .silence(let time): time
        case nil: isTyped ? .zero : .seconds(1)
        }
    }
}
