import Lifeline
import LifelineLocks
import LifelineTrace

/// Writes a line to standard error for each connection that is opened, refused or closed.
///
/// It observes on the event loops, where nothing may block, so it puts the lines into a queue, and writes them on
/// another thread.
final class ConnectionLog: LifecycleObserver {
    /// The state of a connection. A class, so that counting a frame looks it up once and copies nothing.
    private final class Entry {
        let peer: String
        var request = ""
        /// Why the origin policy refuses the request, or `nil` if it does not.
        var originFault: String?
        var openedAt: MonotonicInstant?
        var wasAnswered = false
        var received = ConnectionLines.Traffic()
        var sent = ConnectionLines.Traffic()
        var compression = CompressionStatistics()

        init(peer: String) {
            self.peer = peer
        }
    }

    /// The most lines that wait to be written. Further ones are dropped.
    private static let maximumWaitingLines = 10_000

    /// Formats the lines.
    let format: ConnectionLines
    private let originPolicy: OriginPolicy?
    private let redaction: Redaction
    private let entries = Lock<[UInt64: Entry]>([:])
    private let lines: AsyncStream<String>
    private let line: AsyncStream<String>.Continuation

    /// - Parameters:
    ///   - originPolicy: The server's origin policy, so that the log can say why it refused a web page.
    ///   - redaction: The secrets that no line shows.
    init(terminal: Terminal, originPolicy: OriginPolicy? = nil, redaction: Redaction = Redaction()) {
        format = ConnectionLines(terminal: terminal)
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

    /// Writes the lines. Returns once ``finish()`` was called and all lines are written.
    func write() async {
        let writer = TerminalWriter(terminal: format.terminal)
        for await line in lines { await writer.write([line]) }
    }

    /// Adds a line.
    func note(_ text: String) {
        line.yield(format.terminal.paint(Timestamp.now.timeOfDay, .dim) + " " + text)
    }

    /// Adds a line about a connection.
    func note(_ connection: UInt64, _ text: String) {
        note("#\(connection) \(text)")
    }

    /// Lets ``write()`` return.
    func finish() {
        line.finish()
    }

    // MARK: LifecycleObserver

    func observe(_ event: LifecycleEvent) {
        let id = event.connectionID
        let text: String? = entries.withLock { entries in
            switch event.kind {
            case .connected(let peer): entries[id] = Entry(peer: peer)
            case .tcpEnded: entries[id] = nil
            case .requestReceived(let request):
                entries[id]?.request = "\(request.method) \(redaction(target: request.path ?? "/"))"
                entries[id]?.originFault = originFault(request)
            case .frameReceived(let header, _): entries[id]?.received.count(header)
            case .frameSent(let header, _): entries[id]?.sent.count(header)
            case .compressed(let statistics): entries[id]?.compression = statistics
            case .responseSent(let response): return entries[id].flatMap { answered(response, event.instant, $0) }
            case .ended(let outcome): return entries[id].flatMap { ended(outcome, event.instant, $0) }
            default: break
            }
            return nil
        }
        if let text { note(id, text) }
    }

    private func answered(_ response: HTTPResponse, _ instant: MonotonicInstant, _ entry: Entry) -> String? {
        entry.wasAnswered = true
        if response.status == .switchingProtocols { entry.openedAt = instant }
        return format.answered(
            entry.request, from: entry.peer, status: response.status.code, reason: response.status.reasonPhrase,
            extensions: response.headerFields[.secWebSocketExtensions],
            cause: response.status == .forbidden ? entry.originFault : nil)
    }

    private func originFault(_ request: HTTPRequest) -> String? {
        guard let originPolicy, ServerHandshake.isOpening(request), let origin = request.headerFields[.origin],
            !originPolicy.allows(origin: origin, authority: request.authority)
        else { return nil }
        let name = String(origin.prefix(100))
        let what =
            originPolicy == .sameOrigin
            ? "is not this server's, to which the request was for \((request.authority ?? "").prefix(100).debugDescription)"
            : "is not one that --allow-origin names"
        // No setting allows an origin that no browser sends.
        let hint = (try? OriginPolicy.check(origin)) == nil ? "" : "; --allow-origin \(name) allows it"
        return "the page's Origin \(name.debugDescription) \(what)\(hint)"
    }

    private func ended(_ outcome: CloseOutcome, _ instant: MonotonicInstant, _ entry: Entry) -> String? {
        guard let openedAt = entry.openedAt else {
            // The end of an ordinary HTTP connection is not logged.
            guard !entry.wasAnswered, let failure = redaction.texts(of: outcome).failure else { return nil }
            return format.notOpened(from: entry.peer, failure)
        }
        let saved = entry.compression
        return format.closed(
            OutcomeText(outcome, format.terminal, redaction), isClean: outcome.isClean,
            after: openedAt.duration(to: instant),
            in: entry.received.decompressed(saved.receivedBytes, saved.receivedWireBytes, saved.receivedRatio),
            out: entry.sent.decompressed(saved.sentBytes, saved.sentWireBytes, saved.sentRatio))
    }
}

extension ConnectionLines.Traffic {
    fileprivate mutating func count(_ header: FrameHeader) {
        guard !header.opcode.isControl else { return }
        if header.isFinal { messages += 1 }
        bytes.addSaturating(header.payloadLength)
    }

    /// The traffic with the decompressed size of the compressed messages in place of their size on the wire.
    fileprivate func decompressed(_ plain: Int, _ wire: Int, _ ratio: Double?) -> Self {
        Self(
            messages: messages,
            bytes: bytes.subtractingSaturating(UInt64(clamping: wire)).addingSaturating(UInt64(clamping: plain)),
            ratio: ratio)
    }
}
