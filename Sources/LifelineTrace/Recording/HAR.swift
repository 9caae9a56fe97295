import Lifeline

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// HTTP Archives (HAR 1.2) with `_webSocketMessages`, as the network panel of Chrome exports and imports them.
///
/// An archive has the opening handshake and the messages. Control frames, fragments and the end have no place in it.
public enum HAR {
    /// An archive that cannot be read, and why.
    public struct Malformed: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    // MARK: The format

    struct Archive: Codable {
        var log: Log
    }

    struct Log: Codable {
        var version: String
        var creator: Creator?
        var pages: [Page]?
        var entries: [Entry]
    }

    struct Creator: Codable {
        var name: String
        var version: String
    }

    struct Page: Codable {
        var startedDateTime: String?
        var id: String?
        var title: String?
        var pageTimings: [String: Double]?
    }

    struct Entry: Codable {
        var startedDateTime: String
        var time: Double
        var request: Request
        var response: Response
        var cache: [String: String]?
        var timings: Timings?
        var serverIPAddress: String?
        var connection: String?
        var comment: String?
        var _resourceType: String?
        var _webSocketMessages: [Message]?
    }

    struct Field: Codable {
        var name: String
        var value: String
    }

    struct Request: Codable {
        var method: String
        var url: String
        var httpVersion: String
        var cookies: [Field]?
        var headers: [Field]
        var queryString: [Field]?
        var headersSize: Int?
        var bodySize: Int?
    }

    struct Response: Codable {
        var status: Int
        var statusText: String
        var httpVersion: String
        var cookies: [Field]?
        var headers: [Field]
        var content: Content?
        var redirectURL: String?
        var headersSize: Int?
        var bodySize: Int?
    }

    struct Content: Codable {
        var size: Int
        var mimeType: String
    }

    struct Timings: Codable {
        var blocked: Double?
        var dns: Double?
        var connect: Double?
        var ssl: Double?
        var send: Double
        var wait: Double
        var receive: Double
    }

    struct Message: Codable {
        /// `send` or `receive`, as the client sees it.
        var type: String
        /// Seconds since 1970.
        var time: Double
        var opcode: Int
        /// Text, or base64.
        var data: String
    }

    // MARK: Writing

    /// The archive of a recording: an entry for each connection that sent, or received, a request. Where there are several,
    /// the entries' comments say what each follows.
    ///
    /// - Parameters:
    ///   - recording: The recording.
    ///   - software: The version of the program that writes it.
    public static func write(_ recording: Recording, software: String) -> String {
        let began = recording.began.flatMap(date) ?? Date(timeIntervalSince1970: 0)
        let events = Dictionary(grouping: recording.events, by: \.connection)
        let predecessors = ConnectionOrder.predecessors(of: recording)
        let entries = recording.connections.compactMap { connection in
            entry(
                events[connection] ?? [], began: began,
                comment: events.count > 1
                    ? SequenceDiagram.heading(connection, predecessors[connection]) : nil)
        }
        let archive = Archive(
            log: Log(
                version: "1.2", creator: Creator(name: "lifeline", version: software), pages: [], entries: entries))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Only numbers that JSON does not have could fail, and there are none.
        guard let data = try? encoder.encode(archive) else { return "{}" }
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    private static func entry(_ events: [TraceEvent], began: Date, comment: String?) -> Entry? {
        guard let observer = events.first?.observer else { return nil }
        var request: (time: Int64, head: TraceEvent.HTTPHead)?
        var response: (time: Int64, head: TraceEvent.HTTPHead)?
        var (first, last): (Int64?, Int64) = (nil, 0)
        var messages: [Message] = []
        var (isSecure, peer, connected): (Bool, String?, Int64?) = (false, nil, nil)
        for event in events where event.observer == observer {
            first = first ?? event.time
            last = event.time
            switch event.kind {
            case .connected(let address): (peer, connected) = (address, event.time)
            case .secured: isSecure = true
            case .request(_, let head): request = (event.time, head)
            case .response(_, let head): response = (event.time, head)
            case .message(let direction, let message):
                messages.append(
                    Message(
                        type: (direction == .sent) == (observer == .client) ? "send" : "receive",
                        time: began.timeIntervalSince1970 + Double(event.time) / 1e9, opcode: message.isText ? 1 : 2,
                        data: data(message)))
            default: break
            }
        }
        guard let first, let request else { return nil }
        let scheme = isSecure ? "wss" : "ws"
        let target = request.head.target ?? "/"
        return Entry(
            startedDateTime: text(began.addingTimeInterval(Double(first) / 1e9)), time: Double(last - first) / 1e6,
            request: Request(
                method: request.head.method ?? "GET",
                url: "\(scheme)://\(request.head.authority ?? "")\(target)", httpVersion: "HTTP/1.1", cookies: [],
                headers: request.head.fields.map { Field(name: $0.name, value: $0.value) },
                queryString: target.queryParameters.map { Field(name: $0.name, value: $0.value) }, headersSize: -1,
                bodySize: 0),
            response: Response(
                status: response?.head.status ?? 0, statusText: response?.head.reason ?? "",
                httpVersion: "HTTP/1.1", cookies: [],
                headers: (response?.head.fields ?? []).map { Field(name: $0.name, value: $0.value) },
                content: Content(size: 0, mimeType: "x-unknown"), redirectURL: "", headersSize: -1, bodySize: -1),
            cache: [:],
            timings: Timings(
                blocked: -1, dns: -1, connect: connected.map { Double($0 - first) / 1e6 } ?? -1, ssl: -1, send: 0,
                wait: response.map { Double($0.time - request.time) / 1e6 } ?? 0, receive: 0),
            serverIPAddress: observer == .client ? peer.map(host) : nil, connection: "\(events[0].connection)",
            comment: comment, _resourceType: "websocket", _webSocketMessages: messages)
    }

    /// A message's payload as far as it was recorded.
    private static func data(_ message: TraceEvent.Message) -> String {
        let payload = message.payload ?? []
        return message.isText
            ? String(decoding: payload, as: UTF8.self) : Data(payload).base64EncodedString()
    }

    private static func host(_ address: String) -> String {
        guard let colon = address.lastIndex(of: ":") else { return address }
        return String(address[..<colon].filter { $0 != "[" && $0 != "]" })
    }

    // MARK: Reading

    /// Reads the WebSockets of an archive, this library's or a browser's.
    ///
    /// - Throws: ``Malformed`` where it is no archive, or has no WebSocket.
    public static func read(_ text: some StringProtocol) throws(Malformed) -> Recording {
        let archive: Archive
        do {
            archive = try JSONDecoder().decode(Archive.self, from: Data(text.utf8))
        } catch {
            throw Malformed(description: "no HTTP Archive: \(describe(error))")
        }
        let entries = archive.log.entries.filter { $0._webSocketMessages != nil }
        guard !entries.isEmpty else {
            throw Malformed(description: "an HTTP Archive without a WebSocket (_webSocketMessages)")
        }
        let starts = entries.map { date($0.startedDateTime) ?? Date(timeIntervalSince1970: 0) }
        let began = starts.min() ?? Date(timeIntervalSince1970: 0)
        var recording = Recording(began: Self.text(began))
        for (index, entry) in entries.enumerated() {
            recording.events += events(entry, UInt64(index + 1), start: starts[index], began: began)
        }
        // Connections side by side, in the order of what happened.
        recording.events = recording.events.enumerated()
            .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
        return recording
    }

    private static func events(
        _ entry: Entry, _ connection: UInt64, start: Date, began: Date
    ) -> [TraceEvent] {
        let offset = nanoseconds(start.timeIntervalSince(began))
        func event(_ time: Int64, _ kind: TraceEvent.Kind) -> TraceEvent {
            TraceEvent(time: time, connection: connection, observer: .client, kind: kind)
        }
        func fields(_ fields: [Field]) -> [TraceEvent.HTTPHead.Field] {
            fields.filter { !$0.name.hasPrefix(":") }.map { .init(name: $0.name, value: $0.value) }
        }
        let (authority, target) = split(entry.request.url)
        var events = [
            event(
                offset,
                .request(
                    .sent,
                    TraceEvent.HTTPHead(
                        method: entry.request.method, target: target, authority: authority,
                        fields: fields(entry.request.headers))))
        ]
        if entry.response.status > 0 {
            let wait = nanoseconds(max(0, entry.timings?.wait ?? 0) / 1e3)
            events.append(
                event(
                    offset + wait,
                    .response(
                        .received,
                        TraceEvent.HTTPHead(
                            status: entry.response.status, reason: entry.response.statusText,
                            fields: fields(entry.response.headers)))))
        }
        for message in entry._webSocketMessages ?? [] {
            let isText = message.opcode == 1
            let payload = isText ? Array(message.data.utf8) : Data(base64Encoded: message.data).map(Array.init) ?? []
            let direction: TraceEvent.Direction = message.type == "send" ? .sent : .received
            let time = nanoseconds(message.time - began.timeIntervalSince1970)
            // Chrome has a message of opcode -1 for an error.
            guard message.opcode == 1 || message.opcode == 2 else {
                events.append(event(time, .note(message.data)))
                continue
            }
            events.append(
                event(
                    time,
                    .message(
                        direction,
                        TraceEvent.Message(
                            isText: isText, size: payload.count, wireSize: payload.count, payload: payload))))
        }
        return events
    }

    private static func split(_ url: String) -> (authority: String, target: String) {
        let rest: Substring
        if let range = url.firstRange(of: "://") { rest = url[range.upperBound...] } else { rest = url[...] }
        guard let slash = rest.firstIndex(of: "/") else { return (String(rest), "/") }
        return (String(rest[..<slash]), String(rest[slash...]))
    }

    private static func nanoseconds(_ seconds: Double) -> Int64 {
        guard seconds.isFinite, abs(seconds) < 1e9 else { return 0 }
        return Int64((seconds * 1e9).rounded())
    }

    /// What is wrong with JSON, in a line.
    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is of another kind"
        default: "it is not JSON"
        }
    }

    // MARK: Times

    /// A time as RFC 3339 writes it.
    static func text(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    static func date(_ text: String) -> Date? {
        (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
            ?? (try? Date.ISO8601FormatStyle().parse(text))
    }
}
