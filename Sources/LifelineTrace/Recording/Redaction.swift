import Lifeline

/// What a recording does not show: the values of header fields, of parameters in a request's target, and of JSON members in
/// payloads.
public struct Redaction: Hashable, Sendable {
    /// What stands in place of a value.
    public static let mark = "[redacted]"

    /// The names of header fields. Default: `Authorization`, `Proxy-Authorization`, `Cookie` and `Set-Cookie`.
    public var fields: Set<String> = ["authorization", "proxy-authorization", "cookie", "set-cookie"]
    /// The names of parameters in the query of a request. Default: `token`, `access_token`, `api_key`, `key`, `password`.
    public var parameters: Set<String> = ["token", "access_token", "api_key", "key", "password"]
    /// The names of members of JSON objects in text messages, at any depth. Default: none.
    public var members: Set<String> = []

    /// The defaults.
    public init() {}

    /// The event as it may be recorded.
    public func callAsFunction(_ event: TraceEvent) -> TraceEvent {
        var event = event
        switch event.kind {
        case .request(let direction, let head): event.kind = .request(direction, redacted(head))
        case .response(let direction, let head): event.kind = .response(direction, redacted(head))
        case .frame(let direction, var frame) where !members.isEmpty && !frame.meaning.isControl:
            frame.payload = frame.payload.map(redacted)
            event.kind = .frame(direction, frame)
        case .message(let direction, var message) where !members.isEmpty && message.isText:
            message.payload = message.payload.map(redacted)
            event.kind = .message(direction, message)
        default: break
        }
        return event
    }

    private func redacted(_ head: TraceEvent.HTTPHead) -> TraceEvent.HTTPHead {
        var head = head
        let names = Set(fields.map { $0.lowercased() })
        for index in head.fields.indices where names.contains(head.fields[index].name.lowercased()) {
            head.fields[index].value = Redaction.mark
        }
        head.target = head.target.map(redacted)
        return head
    }

    private func redacted(target: String) -> String {
        guard let mark = target.firstIndex(of: "?") else { return target }
        let names = Set(parameters.map { $0.lowercased() })
        let query = target[target.index(after: mark)...].split(separator: "&", omittingEmptySubsequences: false)
        let parts = query.map { part -> String in
            guard let equals = part.firstIndex(of: "="), names.contains(part[..<equals].lowercased()) else {
                return String(part)
            }
            return part[...equals] + Redaction.mark
        }
        return target[...mark] + parts.joined(separator: "&")
    }

    /// The payload with the values of the members replaced. It need not be whole: what looks like such a member is one.
    private func redacted(_ payload: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = payload[...]
        let names = Set(members.map { Array($0.utf8) })
        while let byte = rest.first {
            guard byte == UInt8(ascii: "\"") else {
                result.append(byte)
                rest.removeFirst()
                continue
            }
            let string = JSONText.string(rest)
            result += string
            rest = rest[string.endIndex...]
            guard string.count >= 2, names.contains(Array(string.dropFirst().dropLast())) else { continue }
            let space = rest.prefix(while: JSONText.isSpace)
            guard rest.dropFirst(space.count).first == UInt8(ascii: ":") else { continue }
            let upToValue = space.count + 1
            let more = rest.dropFirst(upToValue).prefix(while: JSONText.isSpace).count
            result += rest.prefix(upToValue + more)
            rest = rest.dropFirst(upToValue + more)
            rest = rest[JSONText.value(rest).endIndex...]
            result += Array("\"\(Redaction.mark)\"".utf8)
        }
        return result
    }
}

/// Enough of JSON's grammar (RFC 8259) to find where a value ends.
private enum JSONText {
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    /// The string that begins here, with its quotation marks, or as much of it as there is.
    static func string(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var index = text.startIndex + 1
        while index < text.endIndex {
            switch text[index] {
            case UInt8(ascii: "\\"): index += 2
            case UInt8(ascii: "\""): return text[text.startIndex...index]
            default: index += 1
            }
        }
        return text
    }

    /// The value that begins here, or as much of it as there is.
    static func value(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let first = text.first else { return text }
        if first == UInt8(ascii: "\"") { return string(text) }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            return text.prefix { !isSpace($0) && !",]}".utf8.contains($0) }
        }
        var depth = 0
        var index = text.startIndex
        while index < text.endIndex {
            switch text[index] {
            case UInt8(ascii: "\""):
                index = string(text[index...]).endIndex
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return text[text.startIndex...index] }
            default: break
            }
            index += 1
        }
        return text
    }
}
