public import Lifeline

/// The sequence diagram of a connection: two lifelines, arrows between them, and notes. Renderers draw it.
public struct SequenceDiagram: Hashable, Sendable {
    /// The kind of an arrow. Renderers choose its colour by it.
    public enum Style: String, Hashable, Sendable {
        /// TCP's own.
        case transport
        /// The opening handshake.
        case handshake
        /// A text message, or a fragment of one.
        case text
        /// A binary message, or a fragment of one.
        case binary
        /// A Ping or a Pong.
        case heartbeat
        /// A Close frame.
        case close
        /// A frame with an unknown opcode.
        case other
    }

    /// The three phases of RFC 6455, and that of TCP's connection before them.
    public enum Phase: String, Hashable, Sendable {
        case connecting = "connecting"
        case handshake = "opening handshake"
        case messages = "messages"
        case closing = "closing"
    }

    /// An arrow: something that one side sends to the other.
    public struct Arrow: Hashable, Sendable {
        /// Its number, or `nil` for TCP's own arrows.
        public var number: Int?
        /// When, in nanoseconds since the connection's first event.
        public var time: Int64
        /// The side that sends it.
        public var from: WebSocketRole
        /// Its kind.
        public var style: Style
        /// Its name in a word or two: `text`, `Ping`, `GET /chat`.
        public var label: String
        /// Its content: `"hello"`; empty if it has none.
        public var content: String
        /// Details of a few words each: sizes, agreed parameters, the round-trip time.
        public var details: [String]
        /// The recorded part of the payload.
        public var payload: [UInt8]?
    }

    /// A note at one lifeline, or between both.
    public struct Note: Hashable, Sendable {
        /// When, in nanoseconds since the connection's first event.
        public var time: Int64
        /// The lifeline, or `nil` for a note between both.
        public var side: WebSocketRole?
        /// The text.
        public var text: String
        /// Whether it is about a problem.
        public var isWarning: Bool
    }

    /// A row of the diagram.
    public enum Row: Hashable, Sendable {
        case phase(Phase)
        case arrow(Arrow)
        case note(Note)
        /// A long pause.
        case pause(nanoseconds: Int64)
        /// The given number of arrows before it was repeated this many more times, until the given time.
        case repeats(arrows: Int, times: Int, until: Int64)
    }

    /// The connection's number in its recording.
    public var connection: UInt64
    /// The connection before it in its recording, which headings name. It is `nil` for the first connection, and in a
    /// diagram that was not made by ``all(of:options:)``.
    public var predecessor: Predecessor?
    /// The title: the host and the target.
    public var title: String
    /// The side that observed the connection.
    public var observer: WebSocketRole
    /// The rows.
    public var rows: [Row]

    /// The rows that are arrows.
    public var arrows: [Arrow] {
        rows.compactMap { row in if case .arrow(let arrow) = row { arrow } else { nil } }
    }

    /// The text about repeated arrows.
    static func repetition(_ arrows: Int, _ times: Int) -> String {
        arrows == 1 ? "\(times) more" : "these \(arrows) \(times) more times"
    }

    /// How a diagram is made.
    public struct Options: Hashable, Sendable {
        /// How long a pause between two rows must be to have a row of its own, in nanoseconds. Default: 1.5 seconds, so
        /// that a feed with one message a second does not have one now and then.
        public var pause: Int64 = 1_500_000_000
        /// How often arrows must be repeated to be drawn only once. Default: 3; `nil` draws all.
        public var collapses: Int? = 3
        /// The most characters of a payload to show. Default: 80.
        public var contentLimit = 80

        /// The defaults.
        public init() {}
    }

    /// Draws a connection of a recording.
    ///
    /// If the recording has events of both sides under one number, it draws those of the side that comes first.
    public init(_ connection: UInt64, of recording: Recording, options: Options = Options()) {
        self.init(recording.events.filter { $0.connection == connection }, options: options)
    }

    /// Draws a connection's events.
    public init(_ events: [TraceEvent], options: Options = Options()) {
        var builder = DiagramBuilder(options: options, observer: events.first?.observer ?? .client)
        for event in events where event.observer == builder.observer { builder.add(event) }
        connection = events.first?.connection ?? 0
        title = builder.title
        observer = builder.observer == .client ? .client : .server
        rows = RowCollapser.collapse(builder.rows, options)
    }
}

/// Builds the rows of a connection's diagram, event by event.
struct DiagramBuilder {
    let options: SequenceDiagram.Options
    let observer: WebSocketRole
    /// The rows that have not been removed.
    private(set) var rows: [SequenceDiagram.Row] = []
    /// The number of removed rows before them, which later events cannot change any more.
    private(set) var removed = 0
    private(set) var title = ""
    private var beginning: Int64?
    private var number = 0
    private var phase: SequenceDiagram.Phase?
    /// The kind and the number of the fragments of an unfinished message, by direction.
    private var fragments: [TraceEvent.Direction: (style: SequenceDiagram.Style, count: Int)] = [:]
    /// The index of the last arrow of a message, by direction: the event of the message follows that of its last frame.
    /// Indices count removed rows too.
    private var lastData: [TraceEvent.Direction: Int] = [:]
    private var lastPong: Int?

    init(options: SequenceDiagram.Options, observer: WebSocketRole) {
        self.options = options
        self.observer = observer
    }

    /// Removes rows from the beginning.
    mutating func remove(_ count: Int) {
        rows.removeFirst(count)
        removed += count
    }

    mutating func add(_ event: TraceEvent) {
        let beginning = beginning ?? event.time
        self.beginning = beginning
        let time = event.time.subtractingSaturating(beginning)
        func from(_ direction: TraceEvent.Direction) -> WebSocketRole {
            direction == .sent ? observer : observer.peer
        }
        switch event.kind {
        case .connecting(let host, let port):
            enter(.connecting)
            note(time, .client, "looks for \(host), port \(port)")
            if title.isEmpty { title = "\(host):\(port)" }
        case .resolved(let addresses):
            note(time, .client, "found " + addresses.joined(separator: ", "))
        case .connectFailed(let reason):
            note(time, .client, reason, isWarning: true)
        case .connected(let peer):
            enter(.connecting)
            arrow(time, .client, .transport, "TCP", peer)
        case .secured(let version, let certificate):
            note(
                time, nil,
                ([version] + [certificate.map(DiagramBuilder.shortened)].compactMap { $0 }).joined(separator: ", "))
        case .request(let direction, let head):
            enter(.handshake)
            title = (head.authority.map { $0 } ?? "") + (head.target ?? "")
            arrow(
                time, from(direction), .handshake, "\(head.method ?? "GET") \(head.target ?? "/")", "",
                DiagramBuilder.details(
                    head, ["Upgrade", "Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]))
        case .response(let direction, let head):
            enter(.handshake)
            arrow(
                time, from(direction), .handshake, "\(head.status ?? 0) \(head.reason ?? "")".trimmed, "",
                DiagramBuilder.details(head, ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Location"]))
            if head.status == 101 || head.status == 200 && head["Sec-WebSocket-Version"] == nil && observer == .client {
                enter(.messages)
            }
        case .frame(let direction, let frame):
            add(frame, direction, from(direction), time)
        case .message(let direction, let message):
            add(message, direction, from(direction), time)
        case .roundTrip(let nanoseconds):
            // Only the first round trip after a Pong belongs to it.
            guard let index = lastPong.take() else { break }
            change(index) { $0.details.append("round trip " + Duration.nanoseconds(nanoseconds).text()) }
        case .paused(.received, _):
            note(time, observer, "reads no more for now: the application is behind", isWarning: true)
        case .paused(.sent, let pending):
            note(
                time, observer,
                "waits: the peer takes no more" + (pending.map { "; \($0.counted("byte")) to write" } ?? ""),
                isWarning: true)
        case .resumed(.received): note(time, observer, "reads on")
        case .resumed(.sent): note(time, observer, "the peer takes more again")
        case .compressed(let saved):
            let parts = [
                ("received", saved.receivedBytes, saved.receivedWireBytes),
                ("sent", saved.sentBytes, saved.sentWireBytes),
            ].filter { $0.2 > 0 }.map { "\($0.0) \($0.1) bytes as \($0.2)" }
            if !parts.isEmpty { note(time, nil, "compressed: " + parts.joined(separator: ", ")) }
        case .failed(let reason): note(time, nil, "the byte stream failed: \(reason)", isWarning: true)
        case .ended(let ending): note(time, nil, text(ending), isWarning: !ending.isClean)
        case .finished(let direction):
            enter(.closing)
            arrow(time, from(direction), .transport, "FIN", "")
        case .tcpEnded: break
        case .note(let text): note(time, nil, text)
        }
    }

    // MARK: Frames

    private mutating func add(
        _ frame: TraceEvent.Frame, _ direction: TraceEvent.Direction, _ side: WebSocketRole, _ time: Int64
    ) {
        switch frame.meaning {
        case .ping, .pong:
            enter(.messages)
            arrow(time, side, .heartbeat, frame.meaning == .ping ? "Ping" : "Pong", pingContent(frame))
            if frame.meaning == .pong { lastPong = lastRow }
        case .close:
            enter(.closing)
            arrow(time, side, .close, "Close", closeContent(frame))
        case .text, .binary:
            enter(.messages)
            let style: SequenceDiagram.Style = frame.meaning == .text ? .text : .binary
            if frame.isFinal {
                data(frame, direction, side, time, style, style.rawValue)
            } else {
                fragments[direction] = (style, 1)
                data(frame, direction, side, time, style, "\(style.rawValue), fragment 1")
            }
        case .continuation:
            enter(.messages)
            let begun = fragments[direction] ?? (.other, 0)
            let count = begun.count.addingSaturating(1)
            fragments[direction] = frame.isFinal ? nil : (begun.style, count)
            let name = begun.style == .other ? "message" : begun.style.rawValue
            data(
                frame, direction, side, time, begun.style,
                frame.isFinal ? "\(name), last fragment" : "\(name), fragment \(count)")
        default:
            arrow(time, side, .other, "opcode \(frame.opcode)", "", [frame.length.counted("byte")])
        }
    }

    private mutating func data(
        _ frame: TraceEvent.Frame, _ direction: TraceEvent.Direction, _ side: WebSocketRole, _ time: Int64,
        _ style: SequenceDiagram.Style, _ label: String
    ) {
        var details: [String] = []
        if !frame.isFinal || frame.meaning == .continuation { details.append(frame.length.counted("byte")) }
        // The content of fragments is shown with their message.
        let content = frame.isFinal ? frame.payload.map { self.content($0, style) } ?? "" : ""
        arrow(time, side, style, label, content, details)
        lastData[direction] = lastRow
    }

    private mutating func add(
        _ message: TraceEvent.Message, _ direction: TraceEvent.Direction, _ side: WebSocketRole, _ time: Int64
    ) {
        let style: SequenceDiagram.Style = message.isText ? .text : .binary
        // Recordings of other programs have messages without frames.
        if lastData[direction] == nil {
            enter(.messages)
            arrow(time, side, style, style.rawValue, "")
            lastData[direction] = lastRow
        }
        guard let index = lastData.removeValue(forKey: direction) else { return }
        var details = [message.size.counted("byte")]
        if message.frames > 1 { details.append("\(message.frames) frames") }
        if message.isCompressed {
            let ratio = message.wireSize > 0 ? Double(message.size) / Double(message.wireSize) : 0
            details.append("\(message.wireSize) compressed" + (ratio >= 1 ? ", \(ratio.oneDecimal)×" : ""))
        }
        let content = message.payload.map { self.content($0, style, size: message.size) }
        change(index) { arrow in
            arrow.content = content ?? arrow.content
            arrow.payload = message.payload ?? arrow.payload
            arrow.details = details
        }
    }

    // MARK: Words

    private func content(_ payload: [UInt8], _ style: SequenceDiagram.Style, size: Int? = nil) -> String {
        let isCut = size.map { $0 > payload.count } ?? false
        if style == .text {
            let (shown, isLonger) = String.beginning(of: payload, isCut: isCut, characters: options.contentLimit)
            return "“" + shown.visible() + (isCut || isLonger ? "…" : "") + "”"
        }
        let shown = payload.prefix(max(options.contentLimit / 3, 1))
        return Hexadecimal.text(shown, separator: " ")
            + (isCut || shown.count < payload.count ? " …" : "")
    }

    private func pingContent(_ frame: TraceEvent.Frame) -> String {
        guard let payload = frame.payload, !payload.isEmpty else { return "" }
        let text = String(validating: payload, as: UTF8.self)
        if let text, text.unicodeScalars.allSatisfy({ $0.isASCII && !String.isHidden($0) }) {
            return "“" + text.prefix(max(options.contentLimit, 0)) + "”"
        }
        return Hexadecimal.text(payload.prefix(8)) + (payload.count > 8 ? "…" : "")
    }

    private func closeContent(_ frame: TraceEvent.Frame) -> String {
        guard let payload = frame.payload, payload.count >= 2 else { return frame.length == 0 ? "no code" : "" }
        let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        let reason = String(decoding: payload.dropFirst(2), as: UTF8.self)
        return "\(code)" + (reason.isEmpty ? "" : " “\(reason.visible())”")
    }

    private func text(_ ending: TraceEvent.Ending) -> String {
        var text = "closed \(CloseCode(rawValue: ending.code))"
        if !ending.reason.isEmpty { text += " “\(ending.reason.visible())”" }
        text += ending.isClean ? ", clean" : ", not clean"
        switch (ending.initiator, observer) {
        case ("local", .client), ("peer", .server): text += ", begun by the client"
        case ("local", .server), ("peer", .client): text += ", begun by the server"
        case ("both", _): text += ", begun by both at once"
        default: break
        }
        if let failure = ending.failure { text += ": \(failure.visible())" }
        return text
    }

    private static func details(_ head: TraceEvent.HTTPHead, _ names: [String]) -> [String] {
        names.compactMap { name in head[name].map { "\(name): \($0.visible())" } }
    }

    /// A certificate's description in short.
    private static func shortened(_ certificate: String) -> String {
        let parts = certificate.trimmed.split(separator: ";")
        guard let name = parts.first(where: { $0.hasPrefix("common_name=") }) else { return certificate.visible() }
        return "certificate of " + String(name.dropFirst("common_name=".count)).visible()
    }

    // MARK: Rows

    private mutating func enter(_ next: SequenceDiagram.Phase) {
        guard next != phase, phase != .closing, !(next == .connecting && phase != nil),
            !(next == .handshake && phase == .messages)
        else { return }
        phase = next
        rows.append(.phase(next))
    }

    private mutating func arrow(
        _ time: Int64, _ from: WebSocketRole, _ style: SequenceDiagram.Style, _ label: String,
        _ content: String, _ details: [String] = []
    ) {
        if style != .transport { number += 1 }
        rows.append(
            .arrow(
                SequenceDiagram.Arrow(
                    number: style == .transport ? nil : number, time: time, from: from, style: style,
                    label: label.visible(), content: content, details: details)))
    }

    private mutating func note(
        _ time: Int64, _ side: WebSocketRole?, _ text: String, isWarning: Bool = false
    ) {
        rows.append(.note(SequenceDiagram.Note(time: time, side: side, text: text.visible(), isWarning: isWarning)))
    }

    /// The index of the last row.
    private var lastRow: Int { removed + rows.count - 1 }

    /// Changes an arrow, unless it was removed.
    private mutating func change(_ index: Int, _ body: (inout SequenceDiagram.Arrow) -> Void) {
        guard index >= removed, case .arrow(var arrow) = rows[index - removed] else { return }
        body(&arrow)
        rows[index - removed] = .arrow(arrow)
    }
}

/// Replaces repeated arrows with a row that says how often they are repeated, and adds rows for pauses.
enum RowCollapser {
    static func collapse(_ rows: [SequenceDiagram.Row], _ options: SequenceDiagram.Options) -> [SequenceDiagram.Row] {
        var result: [SequenceDiagram.Row] = []
        var index = 0
        var lastTime: Int64?
        func addPause(_ time: Int64?) {
            guard let time else { return }
            let passed = lastTime.map { time.subtractingSaturating($0) } ?? 0
            if lastTime != nil, passed >= options.pause { result.append(.pause(nanoseconds: passed)) }
            lastTime = time
        }
        while index < rows.count {
            if let least = options.collapses, let (period, times) = longestRun(rows, from: index, least: least) {
                // Shows them twice, to make clear what is repeated.
                let shown = period * min(2, times)
                for row in rows[index..<(index + shown)] {
                    addPause(row.time)
                    result.append(row)
                }
                let end = index + period * times
                let until = rows[end - 1].time ?? 0
                result.append(.repeats(arrows: period, times: times - min(2, times), until: until))
                lastTime = until
                index = end
            } else {
                // A phase begins with its first row.
                addPause(rows[index].time ?? (index + 1 < rows.count ? rows[index + 1].time : nil))
                result.append(rows[index])
                index += 1
            }
        }
        return result
    }

    /// Returns how many arrows from here on are repeated, and how often, or `nil` if that is too few.
    private static func longestRun(
        _ rows: [SequenceDiagram.Row], from start: Int, least: Int
    ) -> (period: Int, times: Int)? {
        var best: (period: Int, times: Int)?
        // Fewer than three are always drawn.
        let least = max(least, 2)
        for period in 1...4 where (rows.count - start) / period > least {
            guard rows[start..<(start + period)].allSatisfy({ $0.repeatKey != nil }) else { break }
            var times = 1
            while start + period * (times + 1) <= rows.count,
                (0..<period).allSatisfy({
                    rows[start + period * times + $0].repeatKey == rows[start + $0].repeatKey
                })
            { times += 1 }
            if times > least, best.map({ $0.period * $0.times < period * times }) ?? true { best = (period, times) }
        }
        return best
    }
}

extension SequenceDiagram.Row {
    /// When it happened, or `nil` for a row without a time.
    var time: Int64? {
        switch self {
        case .arrow(let arrow): arrow.time
        case .note(let note): note.time
        case .phase, .pause, .repeats: nil
        }
    }

    /// The key that repeated rows share, or `nil` for a row that never counts as repeated.
    fileprivate var repeatKey: String? {
        guard case .arrow(let arrow) = self, [.text, .binary, .heartbeat].contains(arrow.style) else { return nil }
        return "\(arrow.from) \(arrow.label)"
    }
}

extension String {
    /// The text without spaces at its ends.
    var trimmed: String {
        var text = self[...]
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

extension Double {
    /// The number with one decimal, or none if it is large.
    package var oneDecimal: String {
        guard magnitude < 1e6 else { return isFinite ? String(Int(saturating: rounded())) : "\(self)" }
        let tenths = Int(saturating: (magnitude * 10).rounded())
        return (self < 0 && tenths > 0 ? "-" : "") + "\(tenths / 10).\(tenths % 10)"
    }
}
