import Lifeline

/// Builds the rows of a connection's diagram, event by event.
struct DiagramBuilder {
    let options: SequenceDiagram.Options
    let observer: WebSocketRole
    /// The rows that have not been removed.
    private(set) var rows: [SequenceDiagram.Row] = []
    /// The number of rows that were removed from the beginning. They can no longer change.
    private(set) var removed = 0
    private(set) var title = ""
    private var beginning: Int64?
    private var number = 0
    private var phase: SequenceDiagram.Phase?
    /// The kind of the fragmented message, and the number of its fragments so far, for each direction.
    private var fragments: [TraceEvent.Direction: (style: SequenceDiagram.Style, count: Int)] = [:]
    /// The index of the last data frame's row, counting removed rows, for each direction. The event of the message follows it.
    private var lastData: [TraceEvent.Direction: Int] = [:]
    /// The index of the last Pong's row, counting removed rows.
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

    /// Adds an event.
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
            note(time, .client, "connects to \(host)" + (port.map { ", port \($0)" } ?? ""))
            if title.isEmpty { title = host + (port.map { ":\($0)" } ?? "") }
        case .resolved(let addresses):
            note(time, .client, "resolved to " + addresses.joined(separator: ", "))
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
            // Each Pong has at most one round trip.
            guard let index = lastPong.take() else { break }
            change(index) { $0.details.append("round trip " + Duration.nanoseconds(nanoseconds).text()) }
        case .paused(.received, _):
            note(time, observer, "pauses reading: the application is too slow", isWarning: true)
        case .paused(.sent, let pending):
            note(
                time, observer,
                "pauses writing: the peer is too slow" + (pending.map { "; \($0.counted("byte")) wait" } ?? ""),
                isWarning: true)
        case .resumed(.received): note(time, observer, "reads again")
        case .resumed(.sent): note(time, observer, "writes again")
        case .compressed(let saved):
            let parts = [
                ("received", saved.receivedBytes, saved.receivedWireBytes),
                ("sent", saved.sentBytes, saved.sentWireBytes),
            ].filter { $0.2 > 0 }.map { "\($0.0) \($0.1) bytes as \($0.2)" }
            if !parts.isEmpty { note(time, nil, "compressed: " + parts.joined(separator: ", ")) }
        case .failed(let reason): note(time, nil, "the transport failed: \(reason)", isWarning: true)
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
        // The content of a fragmented message is shown with its last fragment.
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

    // MARK: Texts

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
        case (.local, .client), (.peer, .server): text += ", initiated by the client"
        case (.local, .server), (.peer, .client): text += ", initiated by the server"
        case (.both, _): text += ", initiated by both simultaneously"
        }
        if let failure = ending.failure { text += ": \(failure.visible())" }
        return text
    }

    private static func details(_ head: TraceEvent.HTTPHead, _ names: [String]) -> [String] {
        names.compactMap { name in head[name].map { "\(name): \($0.visible())" } }
    }

    /// Returns the name in a certificate's description.
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

    /// The index of the last row, counting removed rows.
    private var lastRow: Int { removed + rows.count - 1 }

    /// Changes an arrow, unless its row was removed.
    private mutating func change(_ index: Int, _ body: (inout SequenceDiagram.Arrow) -> Void) {
        guard index >= removed, case .arrow(var arrow) = rows[index - removed] else { return }
        body(&arrow)
        rows[index - removed] = .arrow(arrow)
    }
}
