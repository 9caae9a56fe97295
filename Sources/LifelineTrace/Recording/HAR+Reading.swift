import Lifeline

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Reading archives, as browsers and proxies write them, even if they are not quite valid.
///
/// Only what the WebSockets need is required, and a message that cannot be read does not affect the others. What cannot be read is
/// reported (``Recording/omissions``).
extension HAR {
    /// Reads the WebSockets of an archive.
    ///
    /// What cannot be read is omitted, and reported in the recording's ``Recording/omissions``.
    ///
    /// - Throws: ``Malformed`` if the text is not an archive, or has no WebSocket.
    public static func read(_ text: some StringProtocol) throws(Malformed) -> Recording {
        let archive: ReadArchive
        do {
            archive = try JSONDecoder().decode(ReadArchive.self, from: Data(text.utf8))
        } catch {
            throw Malformed(description: "this is not an HTTP Archive: \(describe(error))")
        }
        let entries = archive.log.entries.compactMap(\.value).filter(\.isWebSocket)
        guard !entries.isEmpty else {
            throw Malformed(description: "the HTTP Archive has no WebSocket (_webSocketMessages)")
        }
        var readers = entries.enumerated().map { EntryReader($0.element, UInt64($0.offset + 1)) }
        let began = readers.compactMap(\.start).min()
        var recording = Recording(
            began: began.flatMap { isDate($0) ? Self.text(Date(timeIntervalSince1970: $0)) : nil })
        for index in readers.indices {
            recording.events += readers[index].events(since: began ?? 0)
            recording.omissions += readers[index].omissions
        }
        // The events of all connections in the order of time.
        recording.events = recording.events.enumerated()
            .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
        return recording
    }

    /// Describes a decoding error in a line.
    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "\"\((context.codingPath + [key]).map(\.stringValue).joined(separator: "."))\" is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" has the wrong type"
        default: "it is not JSON"
        }
    }

    /// Whether seconds since 1970 are a plausible date of a WebSocket: between the years 2000 and 2200.
    fileprivate static func isDate(_ seconds: Double) -> Bool {
        (946_684_800.0..<7_258_118_400).contains(seconds)
    }

    // MARK: The required part of the format

    private struct ReadArchive: Decodable {
        struct Log: Decodable {
            var entries: [Lenient<ReadEntry>]
        }

        var log: Log
    }

    /// A value; `nil` if it has the wrong type.
    fileprivate struct Lenient<Value: Decodable>: Decodable {
        let value: Value?

        init(from decoder: any Decoder) {
            value = try? Value(from: decoder)
        }
    }

    /// A number, or a string that is one.
    private struct Number: Decodable {
        let value: Double

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                value = number
            } else if let number = Double(try container.decode(String.self)) {
                value = number
            } else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no number")
            }
        }
    }

    private struct Members: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) {
            self.stringValue = stringValue
        }

        init?(intValue: Int) { nil }
    }

    /// An object whose members may be missing, null, or of the wrong type.
    private struct Object {
        let container: KeyedDecodingContainer<Members>

        init(_ decoder: any Decoder) throws {
            container = try decoder.container(keyedBy: Members.self)
        }

        func has(_ name: String) -> Bool {
            let key = Members(stringValue: name)
            return container.contains(key) && (try? container.decodeNil(forKey: key)) == false
        }

        func value<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) -> Value? {
            try? container.decode(Value.self, forKey: Members(stringValue: name))
        }

        func number(_ name: String) -> Double? {
            value(name, as: Number.self)?.value
        }

        func integer(_ name: String) -> Int? {
            number(name).flatMap { Int(exactly: $0) }
        }
    }

    fileprivate struct ReadField: Decodable {
        var name: String
        var value: String
    }

    fileprivate struct ReadRequest: Decodable {
        var method: String?
        var url: String?
        var headers: [Lenient<ReadField>]

        init(from decoder: any Decoder) throws {
            let object = try Object(decoder)
            method = object.value("method")
            url = object.value("url")
            headers = object.value("headers") ?? []
        }
    }

    fileprivate struct ReadResponse: Decodable {
        var status: Int?
        var reason: String?
        var headers: [Lenient<ReadField>]

        init(from decoder: any Decoder) throws {
            let object = try Object(decoder)
            status = object.integer("status")
            reason = object.value("statusText")
            headers = object.value("headers") ?? []
        }
    }

    private struct ReadTimings: Decodable {
        var wait: Double?

        init(from decoder: any Decoder) throws {
            wait = try Object(decoder).number("wait")
        }
    }

    fileprivate struct ReadEntry: Decodable {
        var isWebSocket: Bool
        var start: String?
        /// How long the response took, in seconds.
        var wait = 0.0
        var request: ReadRequest?
        var response: ReadResponse?
        /// `nil` if the member is not a list.
        var messages: [Lenient<ReadMessage>]? = []

        init(from decoder: any Decoder) throws {
            let object = try Object(decoder)
            let hasMessages = object.has("_webSocketMessages")
            isWebSocket = hasMessages || object.value("_resourceType") == "websocket"
            // Other entries are not needed.
            guard isWebSocket else { return }
            start = object.value("startedDateTime")
            if let wait = object.value("timings", as: ReadTimings.self)?.wait, wait > 0, wait < 1e9 {
                self.wait = wait / 1000
            }
            request = object.value("request")
            response = object.value("response")
            if hasMessages { messages = object.value("_webSocketMessages") }
        }
    }

    fileprivate struct ReadMessage: Decodable {
        var type: String?
        /// Seconds since 1970, or since another instant.
        var time: Double?
        var opcode: Int?
        var data: String?
        var size: Int?

        init(from decoder: any Decoder) throws {
            let object = try Object(decoder)
            type = object.value("type")
            opcode = object.integer("opcode")
            data = object.value("data")
            size = object.integer("_size")
            if let number = object.number("time") {
                // Too late for a date: the number is in milliseconds or microseconds.
                time = number > 1e14 ? number / 1e6 : number > 1e11 ? number / 1e3 : number
            } else if let text = object.value("time", as: String.self) {
                time = CalendarText(text)?.seconds
            }
        }
    }
}

/// Converts the entry of a WebSocket to events.
private struct EntryReader {
    private let entry: HAR.ReadEntry
    private let connection: UInt64
    private let messages: [HAR.Lenient<HAR.ReadMessage>]
    /// When the connection began, in seconds since 1970 or, if none of its times is a date, since another instant; `nil` if unknown.
    private(set) var start: Double?
    /// The time of each message, by the same clock; `nil` if it cannot be read.
    private var times: [Double?]
    /// The time of the first message.
    private var first: Double?
    private(set) var omissions: [Recording.Omission] = []

    init(_ entry: HAR.ReadEntry, _ connection: UInt64) {
        self.entry = entry
        self.connection = connection
        messages = entry.messages ?? []
        times = messages.map { message in message.value?.time.flatMap { $0.isFinite ? $0 : nil } }
        if entry.messages == nil { note("its messages (_webSocketMessages) are not a list", isMessage: true) }
        readTimes()
    }

    private mutating func note(_ reason: String, isMessage: Bool = false) {
        omissions.append(Recording.Omission(connection: connection, reason: reason, isMessage: isMessage))
    }

    // MARK: Times

    /// Determines times such that the handshake precedes the messages, and the messages keep their distances.
    private mutating func readTimes() {
        let written = entry.start ?? ""
        let calendar = CalendarText(written)
        let begun = calendar.flatMap { $0.hasZone ? $0.seconds : nil }
        let earliest = times.lazy.compactMap(\.self).min()
        start = begun.flatMap { HAR.isDate($0) ? $0 : nil }
        if times.contains(where: { $0.map(HAR.isDate) == true }) {
            // If some times are dates, the others are invalid.
            times = times.map { $0.flatMap { HAR.isDate($0) ? $0 : nil } }
            first = times.lazy.compactMap(\.self).min()
        } else if let earliest, let begun, start == nil, begun <= earliest {
            // A consistent clock whose origin is not 1970.
            start = begun
            first = earliest
        } else if let earliest {
            note("the times of its messages are not dates; the first message is placed after the response")
            let origin = (start ?? 0) + entry.wait
            times = times.map { $0.map { origin + ($0 - earliest) } }
            first = origin
            if start == nil { start = 0 }
        }
        let quoted = written.prefix(40).debugDescription
        if let begun = start, let first, begun > first {
            if begun > first + 1 {
                note("\"startedDateTime\" is later than its first message; the handshake is placed before that")
            }
            start = first - entry.wait
        } else if start == nil {
            let what =
                calendar == nil ? "is not a time" : calendar?.hasZone == false ? "has no zone" : "is not plausible"
            note(
                "\"startedDateTime\" \(quoted) \(what)"
                    + (first == nil ? "" : "; the handshake is placed before the first message"))
            start = first.map { $0 - entry.wait }
        }
        let missing = messages.indices.count { messages[$0].value != nil && times[$0] == nil }
        if missing > 0 {
            note("\(missing.counted("message")) without a time; placed in the order of the list")
        }
    }

    // MARK: Events

    /// Returns the events, with times relative to `began` in seconds since 1970.
    mutating func events(since began: Double) -> [TraceEvent] {
        let start = start ?? began
        let answered = min(start + entry.wait, first ?? .infinity)
        var events: [TraceEvent] = []
        func add(_ seconds: Double, _ kind: TraceEvent.Kind) {
            events.append(
                TraceEvent(
                    time: EntryReader.nanoseconds(seconds - began), connection: connection, observer: .client,
                    kind: kind))
        }
        add(start, request())
        if let response = response() { add(answered, response) }
        var last = answered
        for (index, message) in messages.enumerated() {
            let time = times[index] ?? last
            last = time
            add(time, self.event(message.value, number: index + 1))
        }
        return events
    }

    private mutating func request() -> TraceEvent.Kind {
        if entry.request == nil {
            note("its request cannot be read")
        } else if entry.request?.url == nil {
            note("its request has no URL")
        }
        let (authority, target) = EntryReader.split(entry.request?.url ?? "")
        let fields = fields(entry.request?.headers ?? [], of: "request")
        return .request(
            .sent,
            TraceEvent.HTTPHead(
                method: entry.request?.method ?? "GET", target: target, authority: authority, fields: fields))
    }

    private mutating func response() -> TraceEvent.Kind? {
        let response = entry.response
        var status = response?.status ?? 0
        if status <= 0, messages.contains(where: { $0.value?.opcode == 1 || $0.value?.opcode == 2 }) {
            note("the response to the handshake has no status; because there are messages, it was 101")
            status = 101
        }
        guard status > 0 else { return nil }
        let fields = fields(response?.headers ?? [], of: "response")
        return .response(
            .received, TraceEvent.HTTPHead(status: status, reason: response?.reason ?? "", fields: fields))
    }

    private mutating func fields(
        _ fields: [HAR.Lenient<HAR.ReadField>], of head: String
    ) -> [TraceEvent.HTTPHead.Field] {
        let read = fields.compactMap(\.value)
        if read.count < fields.count {
            note("\((fields.count - read.count).counted("header field")) of the \(head) cannot be read")
        }
        // HTTP/2 has pseudo-fields.
        return read.filter { !$0.name.hasPrefix(":") }.map { .init(name: $0.name, value: $0.value) }
    }

    /// Returns a message, or a note if it is not a message or cannot be read.
    private mutating func event(_ message: HAR.ReadMessage?, number: Int) -> TraceEvent.Kind {
        guard let message else { return omitted(number, nil, "it is not an object") }
        // Chrome lists errors among the messages.
        if message.opcode == -1 || message.type == "error" { return .note(message.data ?? "an error") }
        let direction: TraceEvent.Direction
        switch message.type {
        case "send": direction = .sent
        case "receive": direction = .received
        default: return omitted(number, nil, "its type is neither send nor receive")
        }
        guard let opcode = message.opcode else { return omitted(number, direction, "it has no opcode") }
        if let control = UInt8(exactly: opcode).map(Opcode.init(rawValue:)), opcode < 16, control.isControl,
            !control.isReserved
        {
            return .note("\(direction.rawValue): \(control)" + (message.data.map { " \($0)" } ?? ""))
        }
        guard opcode == 1 || opcode == 2 else {
            return omitted(number, direction, "its opcode, \(opcode), is neither text (1) nor binary (2)")
        }
        guard let data = message.data else { return omitted(number, direction, "its data is not text") }
        guard let payload = opcode == 1 ? Array(data.utf8) : EntryReader.decode(base64: data) else {
            return omitted(number, direction, "it is binary, and its data is not base64")
        }
        let size = max(message.size ?? payload.count, 0)
        return .message(
            direction,
            TraceEvent.Message(
                isText: opcode == 1, size: size, wireSize: size,
                // The replacement of a cut character may be longer than the rest of it.
                payload: message.size == nil ? payload : size > payload.count ? payload : nil))
    }

    private mutating func omitted(
        _ number: Int, _ direction: TraceEvent.Direction?, _ why: String
    ) -> TraceEvent.Kind {
        let text = "message \(number)\(direction.map { " (\($0.rawValue))" } ?? "") is omitted: \(why)"
        note(text, isMessage: true)
        return .note(text)
    }

    // MARK: Decoding

    private static func split(_ url: String) -> (authority: String, target: String) {
        let rest: Substring
        if let range = url.firstRange(of: "://") { rest = url[range.upperBound...] } else { rest = url[...] }
        guard let end = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) else { return (String(rest), "/") }
        let target = rest[end...]
        return (String(rest[..<end]), target.hasPrefix("/") ? String(target) : "/" + target)
    }

    private static func nanoseconds(_ seconds: Double) -> Int64 {
        // Longer than a century is not plausible.
        Int64((min(max(seconds, -4e9), 4e9) * 1e9).rounded())
    }

    /// Decodes base64 in either alphabet of RFC 4648, with or without padding and line breaks; `nil` if it is malformed.
    static func decode(base64 text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, Int) = (0, 0)
        var (digits, padding) = (0, 0)
        for byte in text.utf8 {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                continue
            case 0x0A, 0x0D: continue
            default: return nil
            }
            guard padding == 0 else { return nil }
            digits += 1
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        // One digit is not enough for a byte, and padding completes a group of four.
        guard digits % 4 != 1, padding == 0 || (digits + padding) % 4 == 0 && padding <= 2 else { return nil }
        return bytes
    }
}
