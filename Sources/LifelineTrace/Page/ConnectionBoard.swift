public import Lifeline
import LifelineLocks

/// What a server's connections are, and were until a moment ago: the page's memory.
///
/// It is an observer: give it to a server, or have ``ConnectionPage`` do so. What others see is told it by
/// ``record(_:at:)``.
public final class ConnectionBoard: LifecycleObserver {
    /// What is kept.
    public struct Options: Sendable {
        /// The most bytes of a payload that are kept, and shown. Default: 0, none.
        public var payloadLimit = 0
        /// The most connections that have ended. Default: 200.
        public var maximumEnded = 200
        /// The most events of a connection: its first ones, up to a quarter, and its last. Default: 400.
        public var maximumEvents = 400
        /// The most memory, in bytes and about, that all connections may take. Where they take more, those that ended first are
        /// forgotten, and once there are none of these, the older events of those that take the most. Default: 64 MiB.
        public var maximumBytes = 64 << 20
        /// What is not shown.
        public var redaction = Redaction()

        /// The defaults.
        public init() {}
    }

    /// Messages in one direction.
    struct Traffic: Codable, Hashable {
        var messages = 0
        var bytes = 0
    }

    /// What is shown of a connection in the list.
    struct Summary: Codable, Hashable {
        var id: UInt64
        /// `connecting`, `open`, `closing`, `closed`, `refused`, or `http` where a page was asked for.
        var state = "connecting"
        var route = ""
        var peer = ""
        /// Nanoseconds of the board's clock.
        var began: Int64
        var ended: Int64?
        var isClean: Bool?
        var ending: String?
        var compression: String?
        /// The last round trips, in microseconds.
        var roundTrips: [Double] = []
        var received = Traffic()
        var sent = Traffic()
        /// What waits to be written, in bytes, while the peer takes no more.
        var pending = 0
        /// Whether the application is behind.
        var isPaused = false
        /// Whether the peer is, and takes no more.
        var isWaiting = false

        /// The bytes of its texts.
        fileprivate var textBytes: Int {
            state.utf8.count + route.utf8.count + peer.utf8.count + (ending?.utf8.count ?? 0)
                + (compression?.utf8.count ?? 0)
        }
    }

    private struct Entry {
        var summary: Summary
        /// Changes count up over all connections, so that one can ask what has changed since.
        var version: UInt64
        var first: [TraceEvent] = []
        var last: [TraceEvent] = []
        /// The number of events so far.
        var count = 0
        /// About what the events that are kept take.
        var eventBytes = 0

        /// About what it takes.
        var bytes: Int { eventBytes + MemoryLayout<Entry>.stride + summary.textBytes }

        /// Leaves out the older half of the last events, or, where there are none, the younger half of the first.
        ///
        /// - Returns: Whether there was one.
        mutating func leaveOutHalf() -> Bool {
            let isFirst = last.isEmpty
            let count = ((isFirst ? first.count : last.count) + 1) / 2
            guard count > 0 else { return false }
            if isFirst {
                eventBytes -= ConnectionBoard.bytes(first.suffix(count))
                first.removeLast(count)
            } else {
                leaveOutLast(count)
            }
            return true
        }

        /// Leaves out the oldest of the last events.
        mutating func leaveOutLast(_ count: Int) {
            eventBytes -= ConnectionBoard.bytes(last.prefix(count))
            last.removeFirst(count)
        }
    }

    /// The entries and the memory that they use. They change through `take` and `put` alone, which keep the totals right.
    private struct Entries {
        private var entries: [UInt64: Entry] = [:]
        /// About how many bytes all of them use.
        private(set) var bytes = 0
        /// How many of these bytes their events use.
        private(set) var eventBytes = 0

        var count: Int { entries.count }
        var ids: some Collection<UInt64> { entries.keys }
        var all: some Collection<Entry> { entries.values }

        subscript(id: UInt64) -> Entry? { entries[id] }

        /// Removes an entry and returns it. Changing it then does not copy its events.
        mutating func take(_ id: UInt64) -> Entry? {
            guard let entry = entries.removeValue(forKey: id) else { return nil }
            discount(entry)
            return entry
        }

        /// Adds an entry, or replaces the one with the same number.
        mutating func put(_ entry: Entry, _ id: UInt64) {
            bytes += entry.bytes
            eventBytes += entry.eventBytes
            if let old = entries.updateValue(entry, forKey: id) { discount(old) }
        }

        private mutating func discount(_ entry: Entry) {
            bytes -= entry.bytes
            eventBytes -= entry.eventBytes
        }

        /// The connections whose events use at least this many bytes.
        func ids(from bytes: Int) -> [UInt64] {
            entries.compactMap { id, entry in entry.eventBytes >= bytes ? id : nil }
        }
    }

    private struct State {
        var entries = Entries()
        /// Those that have ended, the first one first.
        var ended: [UInt64] = []
        var version: UInt64 = 0
        var beginning: MonotonicInstant?
        /// The board's time when something happened last.
        var now: Int64 = 0
        /// The paths of the page's own files, and the open connections on which nothing else has been asked for.
        var ownPaths: Set<String> = []
        var own: Set<UInt64> = []
        var redactor: EventRedactor
    }

    private let options: Options
    private let state: Lock<State>

    /// A board.
    public init(options: Options = Options()) {
        self.options = options
        state = Lock(State(redactor: EventRedactor(options.redaction)))
    }

    public var payloadLimit: Int { options.payloadLimit }

    public func observe(_ event: LifecycleEvent) {
        record(
            TraceEvent(event, since: event.instant, keepsPayloads: options.payloadLimit > 0), at: event.instant)
    }

    /// Shows an event that this library's connections have not told of: one of a relay's, say.
    ///
    /// Its payload is cut to ``Options/payloadLimit``. The events ``TraceEvent/Kind/tcpEnded`` and
    /// ``TraceEvent/Kind/connectFailed(reason:)`` are taken for a connection's last.
    ///
    /// - Parameters:
    ///   - event: The event; its time is not looked at.
    ///   - instant: When it happened.
    public func record(_ event: TraceEvent, at instant: MonotonicInstant) {
        let event = event.keepingPayloads(upTo: options.payloadLimit > 0 ? options.payloadLimit : nil)
        state.withLock { state in
            var event = state.redactor(event)
            let beginning = state.beginning ?? instant
            state.beginning = beginning
            event.time = instant.nanoseconds(since: beginning)
            state.now = max(state.now, event.time)
            if isOwn(event, &state) { return }
            state.version += 1
            var entry =
                state.entries.take(event.connection)
                ?? Entry(summary: Summary(id: event.connection, began: event.time), version: 0)
            let hadEnded = entry.summary.ended != nil
            entry.version = state.version
            note(event, &entry.summary)
            keep(event, &entry)
            if !hadEnded, entry.summary.ended != nil { state.ended.append(event.connection) }
            state.entries.put(entry, event.connection)
            limit(&state)
        }
    }

    /// Leaves out connections on which nothing is asked for but what is at these paths: a page's own files.
    func leaveOut(_ paths: some Sequence<String>) {
        state.withLock { $0.ownPaths.formUnion(paths) }
    }

    /// Whether an event belongs to a connection that is left out.
    private func isOwn(_ event: TraceEvent, _ state: inout State) -> Bool {
        guard !state.ownPaths.isEmpty else { return false }
        switch event.kind {
        case .request(_, let head):
            guard state.ownPaths.contains(String((head.target ?? "").prefix { $0 != "?" })) else {
                state.own.remove(event.connection)
                return false
            }
            // What had something else asked for before stays.
            if let entry = state.entries[event.connection] {
                guard entry.summary.route.isEmpty else { return false }
                _ = state.entries.take(event.connection)
                state.version += 1
            }
            state.own.insert(event.connection)
            return true
        case .tcpEnded: return state.own.remove(event.connection) != nil
        default: return state.own.contains(event.connection)
        }
    }

    private func keep(_ event: TraceEvent, _ entry: inout Entry) {
        let maximum = max(options.maximumEvents, 1)
        let isBeginning = entry.first.count == entry.count && entry.count < maximum / 4
        entry.count += 1
        entry.eventBytes += event.approximateSize
        if isBeginning {
            entry.first.append(event)
        } else {
            entry.last.append(event)
            // Not one at a time, so that it costs nothing to speak of.
            if entry.last.count > maximum - maximum / 4 { entry.leaveOutLast(max(maximum / 8, 1)) }
        }
    }

    /// Forgets what is more than may be kept.
    private func limit(_ state: inout State) {
        let ended = max(options.maximumEnded, 0)
        while !state.ended.isEmpty, state.ended.count > ended || state.entries.bytes > options.maximumBytes {
            _ = state.entries.take(state.ended.removeFirst())
            state.version += 1
        }
        // Only open connections are left. Those whose events use more than the average lose half of them. If the connections
        // alone fill the limit, their events may still use an eighth of it, so that events are not dropped again and again.
        let room = max(
            options.maximumBytes - (state.entries.bytes - state.entries.eventBytes), options.maximumBytes / 8)
        while state.entries.eventBytes > room {
            let average = state.entries.eventBytes / max(state.entries.count, 1)
            guard leaveOutHalf(&state, from: max(average, 1)) || leaveOutHalf(&state, from: 1) else { return }
        }
    }

    /// Drops half of the events of each connection whose events use at least this many bytes.
    ///
    /// - Returns: Whether any event was dropped.
    private func leaveOutHalf(_ state: inout State, from bytes: Int) -> Bool {
        var isShorter = false
        for id in state.entries.ids(from: bytes) {
            guard var entry = state.entries.take(id) else { continue }
            isShorter = entry.leaveOutHalf() || isShorter
            state.entries.put(entry, id)
        }
        return isShorter
    }

    private static func bytes(_ events: ArraySlice<TraceEvent>) -> Int {
        events.reduce(0) { $0 + $1.approximateSize }
    }

    /// The most characters of a stranger's text in the list.
    private static let textLimit = 1000

    /// A text for the list.
    private func shown(_ text: String) -> String {
        let (beginning, isCut) = text.beginning(ConnectionBoard.textLimit)
        return isCut ? beginning + "…" : text
    }

    private func note(_ event: TraceEvent, _ summary: inout Summary) {
        switch event.kind {
        case .connected(let peer): summary.peer = shown(peer)
        case .request(_, let head): summary.route = shown(head.target ?? "")
        case .response(_, let head):
            let status = head.status ?? 0
            // Another answer follows (RFC 9110 §15.2).
            if (100..<200).contains(status), status != 101 { break }
            summary.state = status == 101 ? "open" : (200..<400).contains(status) ? "http" : "refused"
            if status != 101 { summary.ending = shown("\(status) \(head.reason ?? "")".trimmed) }
            summary.compression = head["Sec-WebSocket-Extensions"].map(shown)
        case .frame(let direction, let frame):
            if frame.meaning == .close { summary.state = "closing" }
            if frame.meaning.isControl { break }
            if direction == .received {
                summary.received.bytes.addSaturating(frame.length)
            } else {
                summary.sent.bytes.addSaturating(frame.length)
            }
        case .message(.received, _): summary.received.messages += 1
        case .message(.sent, _): summary.sent.messages += 1
        case .roundTrip(let nanoseconds):
            summary.roundTrips.append(Double(nanoseconds / 100) / 10)
            if summary.roundTrips.count > 32 { summary.roundTrips.removeFirst() }
        case .paused(.received, _): summary.isPaused = true
        case .resumed(.received): summary.isPaused = false
        case .paused(.sent, let pending):
            summary.isWaiting = true
            summary.pending = pending ?? 0
        case .resumed(.sent):
            summary.isWaiting = false
            summary.pending = 0
        case .ended(let ending):
            // An ordinary request has no Close frames to be missed.
            if summary.state != "http" { summary.isClean = ending.isClean }
            if summary.state != "refused", summary.state != "http" {
                summary.ending = shown(
                    "\(CloseCode(rawValue: ending.code))"
                        + (ending.reason.isEmpty ? "" : " “\(ending.reason.visible())”")
                        + (ending.failure.map { ": \($0.visible())" } ?? ""))
            }
        case .connectFailed(let reason):
            summary.ended = event.time
            summary.state = "closed"
            summary.isClean = false
            summary.ending = shown(reason.visible())
        case .tcpEnded:
            summary.ended = event.time
            if summary.state != "refused", summary.state != "http" { summary.state = "closed" }
        default: break
        }
    }

    // MARK: Reading

    /// The summaries that have changed since a version, all numbers there are where some may be gone, and the version now.
    func changes(since version: UInt64) -> (changed: [Summary], ids: [UInt64], version: UInt64, now: Int64) {
        state.withLock { state in
            guard state.version != version else { return ([], [], version, state.now) }
            let changed = state.entries.all.filter { $0.version > version }.map(\.summary).sorted { $0.id < $1.id }
            return (changed, state.entries.ids.sorted(), state.version, state.now)
        }
    }

    /// A connection's events from a number on, with a note where some have not been kept.
    func events(of id: UInt64, from start: Int) -> (events: [TraceEvent], next: Int)? {
        state.withLock { state in
            guard let entry = state.entries[id] else { return nil }
            var events: [TraceEvent] = []
            let start = max(start, 0)
            if start < entry.first.count { events += entry.first[start...] }
            let lastStart = entry.count - entry.last.count
            let from = max(start, entry.first.count)
            if from < lastStart, let next = entry.last.first ?? entry.first.last {
                events.append(
                    TraceEvent(
                        time: next.time, connection: id, observer: next.observer,
                        kind: .note("\((lastStart - from).counted("event")) not kept")))
            }
            events += entry.last[max(0, min(from - lastStart, entry.last.count))...]
            return (events, entry.count)
        }
    }

    /// The events of a connection, or of all, as a recording.
    public func recording(of connection: UInt64? = nil) -> Recording {
        let ids = connection.map { [$0] } ?? state.withLock { $0.entries.ids.sorted() }
        let kept = ids.flatMap { events(of: $0, from: 0)?.events ?? [] }
        return Recording(events: kept.sorted { $0.time < $1.time })
    }
}
