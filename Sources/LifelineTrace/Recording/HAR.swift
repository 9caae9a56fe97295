import Lifeline

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// HTTP Archives (HAR 1.2) with `_webSocketMessages`, as the network panel of Chrome exports and imports them.
///
/// An archive has the opening handshake and the messages, but no control frames, fragments or outcomes. If only a part
/// of a message was recorded, the member `_size` has its whole size.
public enum HAR {
    /// An error that is thrown if an archive cannot be read.
    public struct Malformed: Error, Hashable, CustomStringConvertible {
        /// Why it cannot be read.
        public let description: String
    }

    // MARK: The format

    struct Archive: Encodable {
        var log: Log
    }

    struct Log: Encodable {
        var version: String
        var creator: Creator?
        var pages: [Page]?
        var entries: [Entry]
    }

    struct Creator: Encodable {
        var name: String
        var version: String
    }

    struct Page: Encodable {
        var startedDateTime: String?
        var id: String?
        var title: String?
        var pageTimings: [String: Double]?
    }

    struct Entry: Encodable {
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

    struct Field: Encodable {
        var name: String
        var value: String
    }

    struct Request: Encodable {
        var method: String
        var url: String
        var httpVersion: String
        var cookies: [Field]?
        var headers: [Field]
        var queryString: [Field]?
        var headersSize: Int?
        var bodySize: Int?
    }

    struct Response: Encodable {
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

    struct Content: Encodable {
        var size: Int
        var mimeType: String
    }

    struct Timings: Encodable {
        var blocked: Double?
        var dns: Double?
        var connect: Double?
        var ssl: Double?
        var send: Double
        var wait: Double
        var receive: Double
    }

    struct Message: Encodable {
        /// `send` or `receive`, from the client's point of view.
        var type: String
        /// Seconds since 1970.
        var time: Double
        var opcode: Int
        /// Text, or base64.
        var data: String
        /// The size of the payload, if `data` has only a part of it; an extension of this library.
        var _size: Int?
    }

    // MARK: Writing

    /// Returns the archive of a recording, with an entry for each connection that has a request. If there are several, the entries'
    /// comments name their predecessors.
    ///
    /// - Parameters:
    ///   - recording: The recording.
    ///   - software: The version of the program that writes the archive.
    ///   - redaction: Which values are redacted. Default: ``Redaction/init()``.
    public static func write(
        _ recording: Recording, software: String, redaction: Redaction = Redaction()
    ) -> String {
        let recording = recording.redacted(redaction)
        let began = recording.began.flatMap(date) ?? Date(timeIntervalSince1970: 0)
        let events = Dictionary(grouping: recording.events, by: \.connection)
        let predecessors = ConnectionOrder.predecessors(of: recording)
        let entries = recording.connections.compactMap { connection in
            entry(
                events[connection] ?? [], began: began,
                comment: events.count > 1
                    ? predecessors[connection]?.heading(of: connection) ?? Recording.heading(of: connection) : nil)
        }
        let archive = Archive(
            log: Log(
                version: "1.2", creator: Creator(name: "lifeline", version: software), pages: [], entries: entries))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Encoding fails only for NaN and infinity, which do not occur.
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
                        data: data(message), _size: message.isWhole ? nil : message.size))
            default: break
            }
        }
        guard let first, let request else { return nil }
        let scheme = isSecure ? "wss" : "ws"
        let target = request.head.target ?? "/"
        return Entry(
            startedDateTime: text(began.addingTimeInterval(Double(first) / 1e9)),
            time: Double(last.subtractingSaturating(first)) / 1e6,
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
                blocked: -1, dns: -1, connect: connected.map { Double($0.subtractingSaturating(first)) / 1e6 } ?? -1,
                ssl: -1, send: 0,
                wait: response.map { Double($0.time.subtractingSaturating(request.time)) / 1e6 } ?? 0, receive: 0),
            serverIPAddress: observer == .client ? peer.map(host) : nil, connection: "\(events[0].connection)",
            comment: comment, _resourceType: "websocket", _webSocketMessages: messages)
    }

    /// Returns the recorded part of a message's payload.
    private static func data(_ message: TraceEvent.Message) -> String {
        let payload = message.payload ?? []
        return message.isText
            ? String(decoding: payload, as: UTF8.self) : Data(payload).base64EncodedString()
    }

    private static func host(_ address: String) -> String {
        guard let colon = address.lastIndex(of: ":") else { return address }
        return String(address[..<colon].filter { $0 != "[" && $0 != "]" })
    }

    // MARK: Times

    /// Returns a time in the format of RFC 3339.
    static func text(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    static func date(_ text: String) -> Date? {
        CalendarText(text).map { Date(timeIntervalSince1970: $0.seconds) }
    }
}
