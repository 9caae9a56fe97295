import Lifeline
import LifelineTrace
import NIOCore

/// The output of `connect`: messages, control frames, and the connection's opening and end.
///
/// It writes on a thread of its own, and its callers wait for it: if the output is read slowly, messages are received
/// slowly, and TCP slows the peer down.
actor Transcript {
    /// The format of the output.
    enum Format: Sendable {
        /// For a terminal: marked, coloured, escaped.
        case conversation
        /// For another program: only the messages.
        case plain
        /// For another program: each event as a JSON object on one line.
        case json
    }

    /// What to show besides the messages, and how.
    struct Options: Sendable {
        var format = Format.plain
        /// Whether the user types the messages on the same terminal.
        var isTyped = false
        var showsTimestamps = false
        var showsControl = false
        var showsHexadecimal = false
    }

    private let executor = BlockingExecutor(label: "lifeline.output")
    private let output: Terminal
    private let errors: Terminal
    private let options: Options
    private let journal: ControlJournal?
    private var prompt: Prompt?

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(output: Terminal, errors: Terminal, options: Options, journal: ControlJournal?) {
        self.output = output
        self.errors = errors
        self.options = options
        self.journal = journal
    }

    // MARK: The connection

    /// Shows that the connection is open.
    func opened(_ url: WebSocketURL, _ handshake: WebSocketHandshake) throws(OutputClosed) {
        switch options.format {
        case .plain: return
        case .json:
            try output.write(EventJSON.opened(url, handshake))
        case .conversation:
            let subprotocol = handshake.subprotocol.map { ", subprotocol \(output.visible($0))" } ?? ""
            let compression = handshake.compression.map { ", with \($0)" } ?? ""
            try show(output.paint("connected to \(url.withoutSecrets)\(subprotocol)\(compression)", .bold))
            guard options.isTyped else { return }
            try show(output.paint("each line is sent as a message; Ctrl-D or Ctrl-C closes the connection", .dim))
            if output.movesCursor {
                prompt = Prompt(terminal: output)
                try prompt?.begin()
            }
        }
    }

    /// Shows how the connection ended.
    func closed(_ outcome: CloseOutcome, _ compression: CompressionStatistics) {
        if options.format == .json {
            try? output.write(EventJSON.closed(outcome, compression))
            return
        }
        let target = options.format == .conversation ? output : errors
        try? prompt?.end()
        prompt = nil
        let text = "closed " + OutcomeText(outcome, target).description
        let ratio = options.format == .conversation ? compression.summary.map { "; " + $0 } ?? "" : ""
        target.print(stamp(target) + target.paint(text, outcome.isExpected ? .bold : .red) + ratio)
    }

    /// Shows a note for the user.
    func note(_ text: String) {
        if prompt != nil {
            try? show(output.paint(text, .yellow))
        } else {
            errors.print("lifeline connect: " + errors.paint(text, .yellow))
        }
    }

    // MARK: Messages

    /// Shows a received message.
    nonisolated func received(_ message: WebSocketMessage) async throws(OutputClosed) {
        // In a pipe the output has nothing but messages, so there is no order to keep, and no need to change threads.
        if options.format == .plain, journal == nil, case .text(let text) = message,
            try output.writeAtOnce(text + "\n")
        {
            return
        }
        try await show(message)
    }

    private func show(_ message: WebSocketMessage) throws(OutputClosed) {
        try showControls(withMessage: true)
        switch options.format {
        case .plain: try writePlain(message)
        case .json: try output.write(EventJSON.received(message))
        case .conversation:
            try show(output.paint("<", .cyan) + " " + describe(message))
        }
    }

    /// Shows a sent message.
    nonisolated func sent(_ message: WebSocketMessage) async throws(OutputClosed) {
        if options.format == .conversation { try await showSent(message) }
    }

    private func showSent(_ message: WebSocketMessage) throws(OutputClosed) {
        let line = output.paint(">", .green) + " " + describe(message)
        if prompt != nil {
            try prompt?.lineWasTyped(stamp(output) + line, replaces: options.showsTimestamps)
        } else if !options.isTyped {
            try show(line)
        }
    }

    private func writePlain(_ message: WebSocketMessage) throws(OutputClosed) {
        switch message {
        case .text(let text): try output.write(text + "\n")
        case .binary(let bytes) where options.showsHexadecimal:
            try output.write(Hexadecimal.text(bytes.readableBytesView) + "\n")
        case .binary(let bytes):
            // Byte for byte, without separators.
            let result = bytes.withUnsafeReadableBytes { bytes in
                Result { () throws(OutputClosed) in try output.write(bytes) }
            }
            try result.get()
        }
    }

    /// The most bytes of a binary message to show without `--hex`.
    private static let maximumShownBytes = 32

    private func describe(_ message: WebSocketMessage) -> String {
        switch message {
        case .text(let text): return output.visible(text)
        case .binary(let bytes):
            let count = options.showsHexadecimal ? bytes.readableBytes : Transcript.maximumShownBytes
            let digits = Hexadecimal.text(bytes.readableBytesView.prefix(count), separator: " ")
            let rest = bytes.readableBytes > count ? (output.usesUnicode ? " …" : " ...") : ""
            return output.paint(bytes.readableBytes.counted("byte"), .blue) + " " + digits + rest
        }
    }

    // MARK: Control frames

    /// Shows the control frames before the next message.
    func showControls(withMessage isMessage: Bool = false) throws(OutputClosed) {
        guard let journal else { return }
        let (events, omitted) = journal.take(withMessage: isMessage)
        for event in events {
            if options.format == .json {
                // `closed` is an event of its own.
                if event.opcode != .close { try output.write(EventJSON.control(event)) }
            } else if options.showsControl {
                try showControl(event)
            }
        }
        if omitted > 0 {
            note("\(omitted) control frames are not shown, because they arrived faster than the output was read")
        }
    }

    private func showControl(_ event: ControlEvent) throws(OutputClosed) {
        // In a pipe, standard output has only messages.
        let target = options.format == .conversation ? output : errors
        let text =
            target.paint(event.isSent ? ">" : "<", event.isSent ? .green : .cyan) + " "
            + target.paint(ControlText(event, target).description, .yellow)
        if options.format == .conversation {
            try show(text, at: event.time)
        } else {
            errors.print(stamp(errors, event.time) + text)
        }
    }

    // MARK: Lines

    private func stamp(_ terminal: Terminal, _ time: Timestamp = .now) -> String {
        options.showsTimestamps ? terminal.paint(time.timeOfDay, .dim) + " " : ""
    }

    /// Shows a line, above the prompt if there is one.
    private func show(_ line: String, at time: Timestamp = .now) throws(OutputClosed) {
        let line = stamp(output, time) + line
        if let prompt { try prompt.insert(line) } else { try output.write(line + "\n") }
    }
}

// MARK: - Refusals

extension Transcript {
    /// Shows the response with which a server refused the opening handshake.
    func show(_ response: HTTPResponse, body: [UInt8]) {
        let redaction = Redaction()
        let lines =
            ["HTTP/1.1 \(response.status.code) \(redaction(response.status.reasonPhrase))"]
            + redaction.fields(of: response).map { "\($0.name): \($0.value)" } + [""]
            + FileText.lines(redaction(body: body)).map(String.init)
        for line in lines.dropLast(lines.last?.isEmpty == true ? 1 : 0) { errors.print(errors.visible(line)) }
    }
}
