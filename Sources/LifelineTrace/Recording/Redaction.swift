package import Lifeline

/// Which values are secret. They are redacted in recordings, archives, the page, logs and errors.
///
/// Only letters and digits of names are compared, regardless of case: `accessToken`, `access-token` and `ACCESS_TOKEN` are equal. A name
/// that begins with `*` matches all names that end with the rest.
public struct Redaction: Hashable, Sendable {
    /// The text that replaces a secret value.
    public static let mark = SecretText.mark

    /// The names of secret header fields. Default: `Authorization`, `Proxy-Authorization`, `Cookie`, `Set-Cookie`, and names that end
    /// with `-Token`, `-Secret`, `-Signature`, `-API-Key` and the like.
    public var fields: Set<String> = SecretNames.defaultFields {
        didSet { fieldNames = SecretNames(fields) }
    }
    /// The names of secret parameters in URLs. Default: names that end with `token`, `secret`, `password`, `signature`, `api_key` and the
    /// like, and `key`, `sig`, `auth`, `jwt`, `sid`, `ticket` and a few more.
    public var parameters: Set<String> = SecretNames.defaultParameters {
        didSet { parameterNames = SecretNames(parameters) }
    }
    /// The names of secret members of JSON objects in messages, at any depth. Default: none. If there are any, the payloads of binary
    /// messages that are not text are omitted, because their content is unknown.
    public var members: Set<String> = [] {
        didSet { memberNames = SecretNames(members) }
    }

    private var fieldNames = SecretNames(SecretNames.defaultFields)
    private var parameterNames = SecretNames.parameters
    private var memberNames = SecretNames([])

    /// Creates the defaults.
    public init() {}

    /// Creates the defaults, with additional names of secret header fields, parameters and members.
    public init(names: some Sequence<String>) {
        fields.formUnion(names)
        parameters.formUnion(names)
        members.formUnion(names)
        fieldNames = SecretNames(fields)
        parameterNames = SecretNames(parameters)
        memberNames = SecretNames(members)
    }

    /// Returns prose without the secrets in URLs, parameters and credentials.
    public func callAsFunction(_ text: String) -> String {
        SecretText.redacted(text, parameterNames)
    }

    /// Returns a request's target without secrets.
    public func callAsFunction(target: String) -> String {
        SecretText.redacted(target: target, parameterNames)
    }

    /// Returns the reason and the failure of an outcome, redacted.
    package func texts(of outcome: CloseOutcome) -> (reason: String, failure: String?) {
        (redacted(reason: outcome.reason), outcome.failure.map { self("\($0)") })
    }

    /// Returns the names and redacted values of a response's fields, in order.
    package func fields(of response: HTTPResponse) -> [(name: String, value: String)] {
        response.headerFields.map { ($0.name.rawName, redacted(value: $0.value, of: $0.name.rawName)) }
    }

    /// Returns the body of a response as redacted text.
    package func callAsFunction(body: [UInt8]) -> String { redacted(reason: String(decoding: body, as: UTF8.self)) }

    /// Returns the redacted event.
    ///
    /// This function sees one fragment at a time. So it omits the payloads of fragments if ``members`` has names; the event of the message
    /// has the whole payload.
    public func callAsFunction(_ event: TraceEvent) -> TraceEvent {
        var event = event
        switch event.kind {
        case .connecting(let host, let port): event.kind = .connecting(host: self(host), port: port)
        case .connectFailed(let reason): event.kind = .connectFailed(reason: self(reason))
        case .failed(let reason): event.kind = .failed(reason: self(reason))
        case .note(let text): event.kind = .note(self(text))
        case .request(let direction, let head): event.kind = .request(direction, redacted(head))
        case .response(let direction, let head): event.kind = .response(direction, redacted(head))
        case .frame(let direction, var frame):
            if frame.meaning.isControl {
                frame.payload = frame.payload.map { redacted(control: $0, isClose: frame.meaning == .close) }
            } else if redactsPayloads {
                let isWhole = frame.isFinal && frame.meaning != .continuation
                frame.payload = isWhole ? frame.payload.flatMap { redacted($0, isText: frame.meaning == .text) } : nil
            }
            event.kind = .frame(direction, frame)
        case .message(let direction, var message) where redactsPayloads:
            message.payload = message.payload.flatMap { redacted($0, isText: message.isText) }
            event.kind = .message(direction, message)
        case .ended(var ending):
            ending.reason = redacted(reason: ending.reason)
            ending.failure = ending.failure.map { self($0) }
            event.kind = .ended(ending)
        default: break
        }
        return event
    }

    /// Whether the payloads of messages are redacted.
    var redactsPayloads: Bool { !memberNames.isEmpty }

    /// A redactor of a fragmented text message.
    var memberRedactor: MemberRedactor { MemberRedactor(memberNames) }

    // MARK: Heads

    private func redacted(_ head: TraceEvent.HTTPHead) -> TraceEvent.HTTPHead {
        var head = head
        for index in head.fields.indices {
            head.fields[index].value = redacted(value: head.fields[index].value, of: head.fields[index].name)
        }
        head.target = head.target.map { self(target: $0) }
        head.authority = head.authority.map { authority in
            authority.lastIndex(of: "@").map { Redaction.mark + authority[$0...] } ?? authority
        }
        head.reason = head.reason.map { self($0) }
        return head
    }

    private func redacted(value: String, of name: String) -> String {
        if fieldNames.contains(name.utf8) { return Redaction.mark }
        return name.lowercased() == "sec-websocket-protocol"
            ? SecretText.redacted(subprotocols: value, parameterNames) : self(value)
    }

    // MARK: Payloads

    /// Returns the redacted payload of a message, or of a frame that is a whole message; `nil` if its content is unknown.
    private func redacted(_ payload: [UInt8], isText: Bool) -> [UInt8]? {
        guard isText || Redaction.isText(payload) else { return nil }
        return MemberRedactor.redacted(payload, memberNames)
    }

    /// Returns the redacted payload of a control frame.
    private func redacted(control payload: [UInt8], isClose: Bool) -> [UInt8] {
        let head = isClose ? payload.prefix(2) : []
        let rest = Array(payload[head.endIndex...])
        guard !rest.isEmpty, Redaction.isText(rest) else { return payload }
        return Array(head) + redacted(reason: String(decoding: rest, as: UTF8.self)).utf8
    }

    /// Returns the redacted reason of a Close frame. Reasons are always recorded.
    private func redacted(reason: String) -> String {
        // If the reason is JSON, the names of parameters apply to its members too.
        let members = MemberRedactor.redacted(Array(reason.utf8), memberNames.union(parameterNames))
        return self(String(decoding: members, as: UTF8.self))
    }

    /// Whether bytes are text: UTF-8, which may be cut inside its last character, without control characters other than tabs and line
    /// breaks.
    static func isText(_ bytes: [UInt8]) -> Bool {
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) else { return false }
        let beginning = bytes.suffix(3).lastIndex { $0 >= 0xC0 } ?? bytes.endIndex
        let whole = String(validating: bytes, as: UTF8.self) != nil
        return whole
            || isCutOff(bytes[beginning...]) && String(validating: bytes[..<beginning], as: UTF8.self) != nil
    }

    /// Whether bytes are the beginning of an incomplete character (RFC 3629 §4).
    private static func isCutOff(_ bytes: ArraySlice<UInt8>) -> Bool {
        let length =
            switch bytes.first ?? 0 {
            case 0xC2...0xDF: 2
            case 0xE0...0xEF: 3
            case 0xF0...0xF4: 4
            default: 0
            }
        return bytes.count < length && bytes.dropFirst().allSatisfy { (0x80...0xBF).contains($0) }
    }
}
