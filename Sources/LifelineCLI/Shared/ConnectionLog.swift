import Lifeline
import LifelineLocks
import LifelineTrace

/// Writes a line to standard error for each connection that is opened, refused or closed.
///
/// It is told of each step on the event loops, where nothing may block, so the lines wait in a queue for a thread that may.
final class ConnectionLog: LifecycleObserver {
    /// What is known of a connection. An object, so that counting a frame looks it up once and copies nothing.
    private final class Entry {
        let peer: String
        var path: String?
        /// Why a page's request to open a WebSocket is refused, where its origin is the reason.
        var originFault: String?
        var openedAt: MonotonicInstant?
        var wasAnswered = false
        var received = Traffic()
        var sent = Traffic()
        var compression = CompressionStatistics()

        init(peer: String) {
            self.peer = peer
        }
    }

    /// Messages in one direction.
    private struct Traffic {
        var messages = 0
        var bytes: UInt64 = 0

        mutating func count(_ header: FrameHeader) {
            guard !header.opcode.isControl else { return }
            if header.isFinal { messages += 1 }
            bytes.addSaturating(header.payloadLength)
        }

        /// In words, given how many bytes there were of compressed messages, and on the wire.
        func description(_ plain: Int, _ wire: Int, _ ratio: Double?) -> String {
            let total = bytes.subtractingSaturating(UInt64(clamping: wire)).addingSaturating(UInt64(clamping: plain))
            return messages.counted("message") + ", " + total.counted("byte")
                + (ratio.map { ", compressed \($0.ratioText)" } ?? "")
        }
    }

    /// The lines that may wait where standard error is not read; what is more is left out.
    private static let maximumWaitingLines = 10_000

    private let terminal: Terminal
    private let originPolicy: OriginPolicy?
    private let redaction: Redaction
    private let entries = Lock<[UInt64: Entry]>([:])
    private let lines: AsyncStream<String>
    private let line: AsyncStream<String>.Continuation

    /// - Parameters:
    ///   - originPolicy: Which pages may connect, so that the log can say why one was refused.
    ///   - redaction: What no line shows.
    init(terminal: Terminal, originPolicy: OriginPolicy? = nil, redaction: Redaction = Redaction()) {
        self.terminal = terminal
        self.originPolicy = originPolicy
        self.redaction = redaction
        (lines, line) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(ConnectionLog.maximumWaitingLines))
    }

    /// The number of open connections.
    var openConnections: Int {
        entries.withLock { $0.values.count { $0.openedAt != nil } }
    }

    // MARK: Writing

    /// Writes the lines, until ``finish()`` is called and all of them are written.
    func write() async {
        let writer = TerminalWriter(terminal: terminal)
        for await line in lines { await writer.write([line]) }
    }

    /// Adds a line of the command's own.
    func note(_ text: String) {
        line.yield(terminal.paint(Timestamp.now.timeOfDay, .dim) + " " + text)
    }

    /// Lets ``write()`` return.
    func finish() {
        line.finish()
    }

    // MARK: LifecycleObserver

    func observe(_ event: LifecycleEvent) {
        let text: String? = entries.withLock { entries in
            switch event.kind {
            case .connected(let peer):
                entries[event.connectionID] = Entry(peer: peer)
                return nil
            case .tcpEnded:
                entries[event.connectionID] = nil
                return nil
            case .requestReceived, .responseSent, .frameReceived, .frameSent, .compressed, .ended:
                return entries[event.connectionID].flatMap { note(event, $0) }
            default:
                return nil
            }
        }
        if let text { note("#\(event.connectionID) " + text) }
    }

    /// Notes what happened to a connection, and says so where it is worth a line.
    private func note(_ event: LifecycleEvent, _ entry: Entry) -> String? {
        switch event.kind {
        case .requestReceived(let request):
            entry.path = "\(request.method) \(redaction(target: request.path ?? "/"))"
            entry.originFault = originFault(request)
            return nil
        case .responseSent(let response):
            return answered(response, event.instant, entry)
        case .frameReceived(let header, _):
            entry.received.count(header)
            return nil
        case .frameSent(let header, _):
            entry.sent.count(header)
            return nil
        case .compressed(let statistics):
            entry.compression = statistics
            return nil
        case .ended(let outcome):
            return ended(outcome, event.instant, entry)
        default:
            return nil
        }
    }

    private func answered(_ response: HTTPResponse, _ instant: MonotonicInstant, _ entry: Entry) -> String {
        entry.wasAnswered = true
        let place = "\(terminal.visible(entry.path ?? "")) from \(entry.peer)"
        switch response.status.kind {
        case .informational:
            entry.openedAt = instant
            let agreed = response.headerFields[.secWebSocketExtensions].map { ", with \(terminal.visible($0))" }
            return terminal.paint("opened", .green) + " \(place)\(agreed ?? "")"
        case .successful: return "answered \(place) with \(response.status.code)"
        default:
            return terminal.paint("refused", .yellow)
                + " \(place) with \(response.status.code) \(response.status.reasonPhrase)"
                + (response.status == .forbidden ? entry.originFault.map { ": " + terminal.visible($0) } ?? "" : "")
        }
    }

    private func originFault(_ request: HTTPRequest) -> String? {
        guard let originPolicy, ServerHandshake.isOpening(request), let origin = request.headerFields[.origin],
            !originPolicy.allows(origin: origin, authority: request.authority)
        else { return nil }
        let name = String(origin.prefix(100))
        let what =
            originPolicy == .sameOrigin
            ? "is not this server's, which was asked for as \((request.authority ?? "").prefix(100).debugDescription)"
            : "is none of those that --allow-origin names"
        // What no browser sends, no setting lets in.
        let hint = (try? OriginPolicy.check(origin)) == nil ? "" : "; --allow-origin \(name) lets its pages in"
        return "the page's Origin \(name.debugDescription) \(what)\(hint)"
    }

    private func ended(_ outcome: CloseOutcome, _ instant: MonotonicInstant, _ entry: Entry) -> String? {
        guard let openedAt = entry.openedAt else {
            // An ordinary request's connection ends without a word.
            guard !entry.wasAnswered, let failure = redaction.texts(of: outcome).failure else { return nil }
            return terminal.paint("not opened", .yellow) + " from \(entry.peer): \(terminal.visible(failure))"
        }
        let word = outcome.isClean ? terminal.paint("closed", .green) : terminal.paint("closed", .red)
        let saved = entry.compression
        let received = entry.received.description(
            saved.receivedBytes, saved.receivedWireBytes, saved.receivedRatio)
        let sent = entry.sent.description(saved.sentBytes, saved.sentWireBytes, saved.sentRatio)
        return [
            "\(word) \(OutcomeText(outcome, terminal, redaction))",
            instant.duration(since: openedAt).text(unicode: terminal.usesUnicode),
            "in \(received)", "out \(sent)",
        ].joined(separator: "; ")
    }
}
