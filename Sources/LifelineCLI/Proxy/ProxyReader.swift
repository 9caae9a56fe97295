import Lifeline
import LifelineRelay
import LifelineTrace
import NIOCore

/// Reads along with relayed connections, and draws, records and logs them: on a thread of its own, so that the relay never
/// waits for it.
actor ProxyReader {
    /// What is known of a connection.
    private struct ConnectionState {
        let connection: UInt64
        var decoder: ConversationDecoder
        var diagram: LiveDiagram
        var isSettled = true
        var peer: String
        var place = ""
        var openedAt: Int64?
        var received = (messages: 0, bytes: 0)
        var sent = (messages: 0, bytes: 0)
    }

    /// The columns that a connection's number takes.
    private static let numberColumns = 5

    private let executor = BlockingExecutor(label: "lifeline.proxy")
    private let output: Terminal?
    private let errors: Terminal
    private let log: ConnectionLog
    private let recorder: Recorder?
    private let board: ConnectionBoard?
    private let payloadLimit: Int
    private let server: String
    /// What no drawing and no line of the log shows.
    private var redactor: EventRedactor
    private var conversations: [UInt64: ConnectionState] = [:]
    private var isDrawing: Bool
    private var hasSeveral = false
    private var hasSeenOne = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - output: Where to draw; `nil` for nowhere.
    ///   - board: What a page shows; `nil` where there is none.
    ///   - server: What the server is called.
    ///   - redaction: What is neither drawn nor logged.
    init(
        output: Terminal?, errors: Terminal, log: ConnectionLog, recorder: Recorder?, board: ConnectionBoard?,
        server: String, redaction: Redaction
    ) {
        self.output = output
        isDrawing = output != nil
        self.errors = errors
        self.log = log
        self.recorder = recorder
        self.board = board
        self.server = server
        redactor = EventRedactor(redaction)
        payloadLimit = max(
            LifecycleEvent.defaultPayloadLimit, recorder?.payloadLimit ?? 0, board?.payloadLimit ?? 0)
    }

    /// Reads what has happened.
    func read(_ entries: [ProxyQueue.Entry]) {
        for entry in entries {
            switch entry {
            case .event(let event): read(event)
            case .lost(let connection, let instant):
                guard var conversation = conversations[connection] else { continue }
                let reason = "more passes than can be read along"
                show(conversation.decoder.stop(reason, at: instant.nanoseconds), &conversation)
                conversations[connection] = conversation
            case .tick:
                for (number, conversation) in conversations where !conversation.isSettled {
                    var conversation = conversation
                    conversation.isSettled = true
                    draw(conversation.diagram.settle(), number)
                    conversations[number] = conversation
                }
            }
        }
    }

    private func read(_ event: RelayEvent) {
        let number = event.connection
        let time = event.instant.nanoseconds
        if case .accepted(let peer) = event.kind {
            hasSeveral = hasSeenOne
            hasSeenOne = true
            conversations[number] = ConnectionState(
                connection: number, decoder: ConversationDecoder(connection: number, payloadLimit: payloadLimit),
                diagram: makeDiagram(), peer: peer)
        }
        // Taken out, so that what it keeps is not copied.
        guard var conversation = conversations.removeValue(forKey: number) else { return }
        let events = traced(event, &conversation.decoder, time)
        show(events, &conversation)
        if case .ended = event.kind {
            draw(conversation.diagram.end(), number)
        } else {
            conversations[number] = conversation
        }
    }

    /// What an event tells.
    private func traced(_ event: RelayEvent, _ decoder: inout ConversationDecoder, _ time: Int64) -> [TraceEvent] {
        switch event.kind {
        case .accepted(let peer): return decoder.add(.connected(peer: peer), at: time)
        case .secured(.client, let tls):
            return decoder.add(.secured(version: tls.version, certificate: tls.peerCertificate), at: time)
        case .secured(.server, let tls):
            return decoder.add(.note("the server's side: " + tls.version), at: time)
        case .connected(let peer): return decoder.add(.note("connected to the server at \(peer)"), at: time)
        case .notConnected(let reason):
            log.note(number(event) + errors.paint("not connected", .red) + " to \(server): " + errors.visible(reason))
            return decoder.add(.note("no connection to \(server): \(reason)"), at: time)
        case .bytes(let bytes, from: let sender):
            return bytes.withUnsafeReadableBytes { decoder.read($0, from: sender, at: time) }
        case .finished(let sender): return decoder.finished(sender, at: time)
        case .failed(let sender, let reason): return decoder.failed(sender, reason, at: time)
        case .paused(let sender):
            return decoder.add(.paused(sender == .client ? .received : .sent, pendingBytes: nil), at: time)
        case .resumed(let sender): return decoder.add(.resumed(sender == .client ? .received : .sent), at: time)
        case .fault(let fault, let after):
            let text = ProxyReader.text(fault, after)
            log.note(number(event) + errors.paint("fault", .yellow) + ": " + text)
            return decoder.add(.note("fault: " + text), at: time)
        case .ended: return decoder.ended(at: time)
        }
    }

    private static func text(_ fault: RelayFault, _ after: RelayFault.Threshold) -> String {
        let what =
            switch fault {
            case .drop: "nothing is passed on any more"
            case .cut: "FIN to both sides"
            case .reset: "RST to both sides"
            }
        switch after {
        case .time(let time): return "\(what), after \(time.text())"
        case .bytes(let count): return "\(what), after \(count.counted("byte"))"
        }
    }

    // MARK: Drawing and recording

    private func show(_ events: [TraceEvent], _ conversation: inout ConnectionState) {
        for event in events {
            let instant = MonotonicInstant(nanoseconds: event.time)
            recorder?.record(event, at: instant)
            board?.record(event, at: instant)
            let shown = redactor(event.keepingPayloads(upTo: LifecycleEvent.defaultPayloadLimit))
            note(shown, instant, &conversation)
            guard isDrawing else { continue }
            conversation.isSettled = false
            draw(conversation.diagram.add(shown), conversation.connection)
        }
    }

    private func makeDiagram() -> LiveDiagram {
        let columns = (output?.columns ?? 80) - ProxyReader.numberColumns
        return LiveDiagram(
            observer: .server,
            renderer: TerminalRenderer(
                columns: columns, usesColor: output?.usesColor ?? false, usesUnicode: output?.usesUnicode ?? true))
    }

    private func draw(_ lines: [String], _ connection: UInt64) {
        guard let output, isDrawing, !lines.isEmpty else { return }
        let prefix = hasSeveral ? output.paint("#\(connection)", .dim) + " " : ""
        do throws(OutputClosed) {
            try output.write(lines.map { prefix + $0 + "\n" }.joined())
        } catch {
            // Nobody will look at what would be drawn from here on.
            isDrawing = false
        }
    }

    // MARK: The log

    private func number(_ event: RelayEvent) -> String { "#\(event.connection) " }

    private func note(_ event: TraceEvent, _ instant: MonotonicInstant, _ conversation: inout ConnectionState) {
        switch event.kind {
        case .request(_, let head): conversation.place = "\(head.method ?? "") \(head.target ?? "")"
        case .response(_, let head): answered(head, instant, conversation: &conversation)
        case .message(.received, let message):
            conversation.received.messages += 1
            conversation.received.bytes.addSaturating(message.size)
        case .message(.sent, let message):
            conversation.sent.messages += 1
            conversation.sent.bytes.addSaturating(message.size)
        case .ended(let ending): ended(ending, instant, conversation)
        default: break
        }
    }

    private func answered(_ head: TraceEvent.HTTPHead, _ instant: MonotonicInstant, conversation: inout ConnectionState)
    {
        let status = head.status ?? 0
        let place = "\(errors.visible(conversation.place)) from \(conversation.peer)"
        let text: String
        switch status {
        case 101:
            conversation.openedAt = instant.nanoseconds
            text = errors.paint("opened", .green) + " " + place
        case 100..<200: return
        case 200..<300: text = "answered \(place) with \(status)"
        default:
            text = errors.paint("refused", .yellow) + " \(place) with \(status) " + errors.visible(head.reason ?? "")
        }
        log.note("#\(conversation.connection) " + text)
    }

    private func ended(_ ending: TraceEvent.Ending, _ instant: MonotonicInstant, _ conversation: ConnectionState) {
        guard let openedAt = conversation.openedAt else { return }
        var text = "\(CloseCode(rawValue: ending.code))"
        if !ending.reason.isEmpty { text += " " + ending.reason.quoted(unicode: errors.usesUnicode) }
        text += ending.isClean ? ", clean" : ", not clean"
        text += ", begun by the " + (ending.initiator == .local ? "server" : "client")
        if let failure = ending.failure { text += ": " + errors.visible(failure) }
        func traffic(_ traffic: (messages: Int, bytes: Int)) -> String {
            traffic.messages.counted("message") + ", " + traffic.bytes.counted("byte")
        }
        let word = errors.paint("closed", ending.isClean ? .green : .red)
        log.note(
            [
                "#\(conversation.connection) \(word) \(text)",
                Duration.nanoseconds(instant.nanoseconds.subtractingSaturating(openedAt)).text(
                    unicode: errors.usesUnicode),
                "in \(traffic(conversation.received))", "out \(traffic(conversation.sent))",
            ].joined(separator: "; "))
    }
}
