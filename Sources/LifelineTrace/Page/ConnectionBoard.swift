public import Lifeline
import LifelineLocks

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The connections that the page shows: those that are open, and those that ended last.
///
/// It is an observer; ``ConnectionPage`` adds it to a server. Add events from other sources with ``record(_:at:)``.
public final class ConnectionBoard: LifecycleObserver {
    /// The limits of a board.
    public struct Options: Sendable {
        /// The most bytes of a payload to keep and show. Default: 0, none.
        public var payloadLimit = 0
        /// The most ended connections to keep. Default: 200.
        public var maximumEnded = 200
        /// The most events of a connection to keep: up to a quarter are its first ones, the others its last. Default:
        /// 400.
        public var maximumEvents = 400
        /// About how many bytes of memory all connections may use. Above that, the board drops those that ended first,
        /// and then the older events of the connections that use the most. Default: 64 MiB.
        public var maximumBytes = 64 << 20
        /// The secrets that are not shown.
        public var redaction = Redaction()

        /// The defaults.
        public init() {}
    }

    /// Messages in one direction.
    struct Traffic: Codable, Hashable {
        var messages = 0
        var bytes = 0
    }

    /// A connection in the list.
    struct Summary: Codable, Hashable {
        var id: UInt64
        /// `connecting`, `open`, `closing`, `closed`, `refused`, or `http` for an answered ordinary request.
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
        /// The bytes that wait to be written while the peer reads nothing.
        var pending = 0
        /// Whether reading is paused because the application is too slow.
        var isPaused = false
        /// Whether writing waits because the peer reads nothing.
        var isWaiting = false

        /// The bytes of its texts.
        fileprivate var textBytes: Int {
            state.utf8.count + route.utf8.count + peer.utf8.count + (ending?.utf8.count ?? 0)
                + (compression?.utf8.count ?? 0)
        }
    }

    private struct Entry {
        var summary: Summary
        /// The number of the last change, counted over all connections, so that the page can ask for newer ones.
        var version: UInt64
        var first: [TraceEvent] = []
        var last: [TraceEvent] = []
        /// The number of events so far.
        var count = 0
        /// About how many bytes its events use.
        var eventBytes = 0

        /// About how many bytes it uses.
        var bytes: Int { eventBytes + MemoryLayout<Entry>.stride + summary.textBytes }

        /// Drops the older half of the last events, or the younger half of the first events if there are no last ones.
        ///
        /// - Returns: Whether there was any event.
        mutating func dropHalf() -> Bool {
            let isFirst = last.isEmpty
            let count = ((isFirst ? first.count : last.count) + 1) / 2
            guard count > 0 else { return false }
            if isFirst {
                eventBytes -= ConnectionBoard.bytes(first.suffix(count))
                first.removeLast(count)
            } else {
                dropLast(count)
            }
            return true
        }

        /// Drops the oldest of the last events.
        mutating func dropLast(_ count: Int) {
            eventBytes -= ConnectionBoard.bytes(last.prefix(count))
            last.removeFirst(count)
        }
    }

    /// The entries and the memory that they use. They change through `take` and `put` alone, which keep the totals
    /// right.
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
        /// The ended connections, in the order in which they ended.
        var ended: [UInt64] = []
        var version: UInt64 = 0
        var beginning: MonotonicInstant?
        /// The date and time of the beginning, as RFC 3339 writes it.
        var began: String?
        /// The board's time of the last event.
        var now: Int64 = 0
        /// The paths of the page's own files, and the connections that have requested nothing else.
        var ownPaths: Set<String> = []
        var own: Set<UInt64> = []
        var redactor: EventRedactor
    }

    private let options: Options
    private let state: Lock<State>

    /// Creates a board.
    public init(options: Options = Options()) {
        self.options = options
        state = Lock(State(redactor: EventRedactor(options.redaction)))
    }

    public var payloadLimit: Int { options.payloadLimit }

    public func observe(_ event: LifecycleEvent) {
        record(
            TraceEvent(event, since: event.instant, keepsPayloads: options.payloadLimit > 0), at: event.instant)
    }

    /// Adds an event of a connection that the board does not observe, such as a relayed one.
    ///
    /// Its payload is cut to ``Options/payloadLimit``. ``TraceEvent/Kind/tcpEnded`` or
    /// ``TraceEvent/Kind/connectFailed(reason:)`` must be a connection's last event.
    ///
    /// - Parameters:
    ///   - event: The event. Its time is ignored.
    ///   - instant: When it happened.
    public func record(_ event: TraceEvent, at instant: MonotonicInstant) {
        let event = event.keepingPayloads(upTo: options.payloadLimit > 0 ? options.payloadLimit : nil)
        state.withLock { state in
            var event = state.redactor(event)
            let beginning = state.beginning ?? instant
            if state.beginning == nil {
                state.beginning = beginning
                state.began = HAR.text(Date.now)
            }
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

    /// Excludes connections that request only these paths: the page's own files.
    func exclude(_ paths: some Sequence<String>) {
        state.withLock { $0.ownPaths.formUnion(paths) }
    }

    /// Whether an event belongs to an excluded connection.
    private func isOwn(_ event: TraceEvent, _ state: inout State) -> Bool {
        guard !state.ownPaths.isEmpty else { return false }
        switch event.kind {
        case .request(_, let head):
            guard state.ownPaths.contains(String((head.target ?? "").prefix { $0 != "?" })) else {
                state.own.remove(event.connection)
                return false
            }
            // A connection that has requested something else before stays, as it was then.
            if let entry = state.entries[event.connection], entry.summary.route.isEmpty {
                _ = state.entries.take(event.connection)
                state.version += 1
            }
            state.own.insert(event.connection)
            return true
        case .response: return state.own.contains(event.connection)
        case .tcpEnded: return state.own.remove(event.connection) != nil && state.entries[event.connection] == nil
        default: return state.own.contains(event.connection) && state.entries[event.connection] == nil
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
            // Drops several at a time, which is cheaper.
            if entry.last.count > maximum - maximum / 4 { entry.dropLast(max(maximum / 8, 1)) }
        }
    }

    /// Drops what is above the limits.
    private func limit(_ state: inout State) {
        let ended = max(options.maximumEnded, 0)
        while !state.ended.isEmpty, state.ended.count > ended || state.entries.bytes > options.maximumBytes {
            _ = state.entries.take(state.ended.removeFirst())
            state.version += 1
        }
        // Only open connections are left. Those whose events use more than the average lose half of them. If the
        // connections alone fill the limit, their events may still use an eighth of it, so that events are not dropped
        // again and again.
        let room = max(
            options.maximumBytes - (state.entries.bytes - state.entries.eventBytes), options.maximumBytes / 8)
        while state.entries.eventBytes > room {
            let average = state.entries.eventBytes / max(state.entries.count, 1)
            guard dropHalf(&state, from: max(average, 1)) || dropHalf(&state, from: 1) else { return }
        }
    }

    /// Drops half of the events of each connection whose events use at least this many bytes.
    ///
    /// - Returns: Whether any event was dropped.
    private func dropHalf(_ state: inout State, from bytes: Int) -> Bool {
        var isShorter = false
        for id in state.entries.ids(from: bytes) {
            guard var entry = state.entries.take(id) else { continue }
            isShorter = entry.dropHalf() || isShorter
            state.entries.put(entry, id)
        }
        return isShorter
    }

    private static func bytes(_ events: ArraySlice<TraceEvent>) -> Int {
        events.reduce(0) { $0 + $1.approximateSize }
    }

    /// The most characters of a text from outside in the list.
    private static let textLimit = 1000

    /// A text from outside, shortened for the list.
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
            // An interim answer: another one follows (RFC 9110 §15.2).
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
            // An ordinary request has no closing handshake.
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

    /// Returns the summaries that have changed since a version, the numbers of all connections, the current version,
    /// and the time.
    func changes(since version: UInt64) -> (changed: [Summary], ids: [UInt64], version: UInt64, now: Int64) {
        state.withLock { state in
            guard state.version != version else { return ([], [], version, state.now) }
            let changed = state.entries.all.filter { $0.version > version }.map(\.summary).sorted { $0.id < $1.id }
            return (changed, state.entries.ids.sorted(), state.version, state.now)
        }
    }

    /// Returns a connection's events from an index on, with a note in place of dropped ones.
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

    /// Returns the events of a connection, or of all connections, as a recording.
    public func recording(of connection: UInt64? = nil) -> Recording {
        let (ids, began) = state.withLock { state in
            (connection.map { [$0] } ?? state.entries.ids.sorted(), state.began)
        }
        let kept = ids.flatMap { events(of: $0, from: 0)?.events ?? [] }
        return Recording(began: began, events: kept.sorted { $0.time < $1.time })
    }
}
