import Lifeline
import LifelineRelay
import LifelineTrace
import NIOCore

/// Decodes relayed connections, and draws, records and logs them. It has a thread of its own, so that the relay never
/// waits for it.
actor ProxyReader {
    /// The state of a connection.
    private struct ConnectionState {
        let connection: UInt64
        var decoder: ConversationDecoder
        var diagram: LiveDiagram
        var isSettled = true
        var peer: String
        var request = ""
        var openedAt: Int64?
        var received = ConnectionLines.Traffic()
        var sent = ConnectionLines.Traffic()
    }

    /// The columns of a connection's number.
    private static let numberColumns = 5

    private let executor = BlockingExecutor(label: "lifeline.proxy")
    private let output: Terminal?
    private let log: ConnectionLog
    private let recorder: Recorder?
    private let board: ConnectionBoard?
    private let payloadLimit: Int
    private let server: String
    /// Hides secrets in drawings and in the log.
    private var redactor: EventRedactor
    private var conversations: [UInt64: ConnectionState] = [:]
    private var isDrawing: Bool
    private var hasSeveral = false
    private var hasSeenOne = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - output: Where to draw, or `nil` to draw nothing.
    ///   - board: The connections of the page, or `nil` without a page.
    ///   - server: The server's authority, for the log.
    ///   - redaction: The secrets that are neither drawn nor logged.
    init(
        output: Terminal?, log: ConnectionLog, recorder: Recorder?, board: ConnectionBoard?,
        server: String, redaction: Redaction
    ) {
        self.output = output
        isDrawing = output != nil
        self.log = log
        self.recorder = recorder
        self.board = board
        self.server = server
        redactor = EventRedactor(redaction)
        payloadLimit = max(
            LifecycleEvent.defaultPayloadLimit, recorder?.payloadLimit ?? 0, board?.payloadLimit ?? 0)
    }

    /// Reads entries of the queue.
    func read(_ entries: [ProxyQueue.Entry]) {
        for entry in entries {
            switch entry {
            case .event(let event): read(event)
            case .lost(let connection, let instant):
                guard var conversation = conversations[connection] else { continue }
                let reason = "the connection is faster than the proxy can decode it"
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
        // Removed while it changes, so that it is not copied.
        guard var conversation = conversations.removeValue(forKey: number) else { return }
        let events = traced(event, &conversation.decoder, time)
        show(events, &conversation)
        if case .ended = event.kind {
            draw(conversation.diagram.end(), number)
        } else {
            conversations[number] = conversation
        }
    }

    /// The trace events that an event of the relay gives.
    private func traced(_ event: RelayEvent, _ decoder: inout ConversationDecoder, _ time: Int64) -> [TraceEvent] {
        switch event.kind {
        case .accepted(let peer): return decoder.add(.connected(peer: peer), at: time)
        case .secured(.client, let tls):
            return decoder.add(.secured(version: tls.version, certificate: tls.peerCertificate), at: time)
        case .secured(.server, let tls):
            return decoder.add(.note("to the server: " + tls.version), at: time)
        case .connected(let peer): return decoder.add(.note("connected to the server at \(peer)"), at: time)
        case .notConnected(let reason):
            log.note(event.connection, errors.paint("not connected", .red) + " to \(server): " + errors.visible(reason))
            return decoder.add(.note("cannot connect to \(server): \(reason)"), at: time)
        case .bytes(let bytes, from: let sender):
            return bytes.withUnsafeReadableBytes { decoder.read($0, from: sender, at: time) }
        case .answered(let bytes):
            return decoder.add(.note("the proxy answers in the server's place"), at: time)
                + bytes.withUnsafeReadableBytes { decoder.read($0, from: .server, at: time) }
        case .finished(let sender): return decoder.finished(sender, at: time)
        case .failed(let sender, let reason): return decoder.failed(sender, reason, at: time)
        case .paused(let sender):
            return decoder.add(.paused(sender == .client ? .received : .sent, pendingBytes: nil), at: time)
        case .resumed(let sender): return decoder.add(.resumed(sender == .client ? .received : .sent), at: time)
        case .fault(let fault, let after):
            let text = ProxyReader.text(fault, after)
            log.note(event.connection, errors.paint("fault", .yellow) + ": " + text)
            return decoder.add(.note("fault: " + text), at: time)
        case .ended: return decoder.ended(at: time)
        }
    }

    private static func text(_ fault: RelayFault, _ after: RelayFault.Threshold) -> String {
        let what =
            switch fault {
            case .drop: "relaying stopped"
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
            // The reader of the diagrams is gone.
            isDrawing = false
        }
    }

    // MARK: The log

    private var errors: Terminal { log.format.terminal }

    private func note(_ event: TraceEvent, _ instant: MonotonicInstant, _ conversation: inout ConnectionState) {
        switch event.kind {
        case .request(_, let head): conversation.request = "\(head.method ?? "") \(head.target ?? "")"
        case .response(_, let head):
            if head.status == 101 { conversation.openedAt = instant.nanoseconds }
            let line = log.format.answered(
                conversation.request, from: conversation.peer, status: head.status ?? 0, reason: head.reason ?? "",
                extensions: head["Sec-WebSocket-Extensions"])
            if let line { log.note(conversation.connection, line) }
        case .message(.received, let message): conversation.received.count(message)
        case .message(.sent, let message): conversation.sent.count(message)
        case .ended(let ending):
            guard let openedAt = conversation.openedAt else { break }
            log.note(
                conversation.connection,
                log.format.closed(
                    OutcomeText(ending, errors), isClean: ending.isClean,
                    after: .nanoseconds(instant.nanoseconds.subtractingSaturating(openedAt)), in: conversation.received,
                    out: conversation.sent))
        default: break
        }
    }
}

extension ConnectionLines.Traffic {
    fileprivate mutating func count(_ message: TraceEvent.Message) {
        messages += 1
        bytes.addSaturating(UInt64(clamping: message.size))
    }
}
