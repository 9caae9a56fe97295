package import Lifeline

/// What is secret, and is shown nowhere: in no recording, archive, page, log or error.
///
/// Names are compared as they are meant: `accessToken`, `access-token` and `ACCESS_TOKEN` are one, percent-encoded or not. A name
/// that begins with `*` stands for all that end so.
public struct Redaction: Hashable, Sendable {
    /// What stands in place of a value.
    public static let mark = SecretText.mark

    /// The names of header fields. Default: `Authorization`, `Proxy-Authorization`, `Cookie`, `Set-Cookie`, and those that
    /// end with `-Token`, `-Secret`, `-Signature`, `-API-Key` and the like.
    public var fields: Set<String> = SecretNames.defaultFields {
        didSet { fieldNames = SecretNames(fields) }
    }
    /// The names of parameters in URLs. Default: those that end with `token`, `secret`, `password`, `signature`,
    /// `api_key` and the like, and `key`, `sig`, `auth`, `jwt`, `sid`, `ticket` and a few more.
    public var parameters: Set<String> = SecretNames.defaultParameters {
        didSet { parameterNames = SecretNames(parameters) }
    }
    /// The names of members of JSON objects in messages, at any depth. Default: none. Where there are some, binary messages
    /// that are no text are left out: nobody can tell what they hold.
    public var members: Set<String> = [] {
        didSet { memberNames = SecretNames(members) }
    }

    private var fieldNames = SecretNames(SecretNames.defaultFields)
    private var parameterNames = SecretNames.parameters
    private var memberNames = SecretNames([])

    /// The defaults.
    public init() {}

    /// The defaults, and names whose values are secrets wherever they stand.
    public init(names: some Sequence<String>) {
        fields.formUnion(names)
        parameters.formUnion(names)
        members.formUnion(names)
        fieldNames = SecretNames(fields)
        parameterNames = SecretNames(parameters)
        memberNames = SecretNames(members)
    }

    /// Words as they may be shown: without what URLs, parameters and credentials in them hold.
    public func callAsFunction(_ text: String) -> String {
        SecretText.redacted(text, parameterNames)
    }

    /// A request's target as it may be shown.
    public func callAsFunction(target: String) -> String {
        SecretText.redacted(target: target, parameterNames)
    }

    /// The Close frame's reason and the failure of an outcome, redacted.
    package func texts(of outcome: CloseOutcome) -> (reason: String, failure: String?) {
        (redacted(reason: outcome.reason), outcome.failure.map { self("\($0)") })
    }

    /// The names and the redacted values of a response's fields, in order.
    package func fields(of response: HTTPResponse) -> [(name: String, value: String)] {
        response.headerFields.map { ($0.name.rawName, redacted(value: $0.value, of: $0.name.rawName)) }
    }

    /// The redacted body of a response, as text.
    package func callAsFunction(body: [UInt8]) -> String { redacted(reason: String(decoding: body, as: UTF8.self)) }

    /// The event as it may be recorded.
    ///
    /// Of a message in fragments this function sees one at a time, so it leaves their payloads out where ``members`` has names; the
    /// message itself, which is told behind its last one, has it all.
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

    /// Whether what messages hold is looked at.
    var redactsPayloads: Bool { !memberNames.isEmpty }

    /// What reads a text message in fragments.
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

    /// A message's payload, or a frame's that is a whole message's; `nil` where it cannot be told what is in it.
    private func redacted(_ payload: [UInt8], isText: Bool) -> [UInt8]? {
        guard isText || Redaction.isText(payload) else { return nil }
        return MemberRedactor.redacted(payload, memberNames)
    }

    /// What a control frame carries: a code and words, or words.
    private func redacted(control payload: [UInt8], isClose: Bool) -> [UInt8] {
        let head = isClose ? payload.prefix(2) : []
        let rest = Array(payload[head.endIndex...])
        guard !rest.isEmpty, Redaction.isText(rest) else { return payload }
        return Array(head) + redacted(reason: String(decoding: rest, as: UTF8.self)).utf8
    }

    /// The reason of a Close frame, which is always recorded.
    private func redacted(reason: String) -> String {
        // Where it is JSON, the parameters' names are as telling as the members'.
        let members = MemberRedactor.redacted(Array(reason.utf8), memberNames.union(parameterNames))
        return self(String(decoding: members, as: UTF8.self))
    }

    /// Whether bytes are text: UTF-8, which may be cut off within a character, without control characters but tabs and line ends.
    static func isText(_ bytes: [UInt8]) -> Bool {
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) else { return false }
        let beginning = bytes.suffix(3).lastIndex { $0 >= 0xC0 } ?? bytes.endIndex
        let whole = String(validating: bytes, as: UTF8.self) != nil
        return whole
            || isCutOff(bytes[beginning...]) && String(validating: bytes[..<beginning], as: UTF8.self) != nil
    }

    /// Whether bytes begin a character, and do not end it (RFC 3629 §4).
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
