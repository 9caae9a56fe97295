import HTTPTypes

/// Reads a complete HTTP/1.1 head strictly ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).
///
/// Strict means: no bare line breaks, no folded lines, no white space before a colon, no control characters. What a
/// lenient reader makes of these differs from reader to reader, and the difference is what request smuggling lives on.
struct HTTPHeadParser {
    /// A request, and what HTTP/1.1 says of the connection besides.
    struct RequestHead {
        var request: HTTPRequest
        /// Whether the request came as HTTP/1.0; such a request cannot be upgraded.
        var isHTTP10: Bool
        /// Whether the connection may carry another request afterwards (§9.3).
        var keepsAlive: Bool
    }

    /// A response, and how its body ends.
    struct ResponseHead {
        var response: HTTPResponse
        /// The body's length where it was announced.
        var contentLength: Int?
        /// Whether the body comes in chunks (§7.1).
        var isChunked: Bool
    }

    /// Why a head cannot be read.
    enum Malformed: Error, Equatable {
        case startLine
        case version
        case fieldLine
        case tooManyFields(limit: Int)
        /// That many Host fields came.
        case host(count: Int)
        case requestTarget
        case contentLength
        /// `Transfer-Encoding` beside `Content-Length`: the mark of request smuggling (§6.1).
        case contradictoryLength
        /// A request with a body, which no request to a WebSocket server needs.
        case body
    }

    private var rest: UnsafeRawBufferPointer
    private let maximumFields: Int

    /// A parser of `head`, which ends with the empty line.
    private init(_ head: UnsafeRawBufferPointer, maximumFields: Int) {
        rest = head
        self.maximumFields = maximumFields
    }

    /// Reads a request's head.
    static func request(
        _ head: UnsafeRawBufferPointer, maximumFields: Int
    ) throws(Malformed) -> RequestHead {
        var parser = HTTPHeadParser(head, maximumFields: maximumFields)
        let parts = parser.nextLine().split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, let method = HTTPRequest.Method(text(parts[0])) else { throw .startLine }
        let isHTTP10 = try minorVersion(parts[2]) == 0
        var fields = try parser.fields()
        guard !fields.hasContradictoryLength else { throw .contradictoryLength }
        guard !fields.contains(.transferEncoding) else { throw .body }
        if let length = try contentLength(fields), length > 0 { throw .body }

        var (authority, path) = try target(text(parts[1]))
        let hosts = fields[values: .hostField]
        guard hosts.count == 1 || hosts.isEmpty && isHTTP10 else { throw .host(count: hosts.count) }
        guard hosts.allSatisfy(HTTPSyntax.isAuthority) else { throw .host(count: 1) }
        // A target in absolute form takes precedence over the field (§3.2.2).
        authority = authority ?? hosts.first
        fields[.hostField] = nil
        return RequestHead(
            request: HTTPRequest(
                method: method, scheme: nil, authority: authority, path: path, headerFields: fields),
            isHTTP10: isHTTP10, keepsAlive: fields.keepsAlive(isHTTP10: isHTTP10))
    }

    /// Reads a response's head.
    static func response(
        _ head: UnsafeRawBufferPointer, maximumFields: Int
    ) throws(Malformed) -> ResponseHead {
        var parser = HTTPHeadParser(head, maximumFields: maximumFields)
        let parts = parser.nextLine().split(
            separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2 else { throw .startLine }
        let isHTTP10 = try minorVersion(parts[0]) == 0
        let digits = text(parts[1])
        guard digits.utf8.count == 3, let code = Int(digits), (100...999).contains(code) else { throw .startLine }
        // An HTTP/1.0 server knows no 101 (RFC 9110 §15.2).
        guard !(isHTTP10 && code < 200) else { throw .version }
        let reason = parts.count == 3 ? text(parts[2]) : ""
        guard reason.utf8.allSatisfy(HTTPSyntax.isFieldValueCharacter) else { throw .startLine }
        let fields = try parser.fields()
        // These two end with their head, whatever its fields announce (§6.3).
        let hasBody = code != 204 && code != 304
        // A transfer coding overrides the length; where the last one is not chunked, the body ends with the stream.
        let codings = HTTPSyntax.listMembers(of: fields[values: .transferEncoding])
        let isChunked = hasBody && codings.last.map { HTTPSyntax.isEqualIgnoringCase($0, "chunked") } ?? false
        let length = codings.isEmpty ? try contentLength(fields) : nil
        return ResponseHead(
            response: HTTPResponse(status: .init(code: code, reasonPhrase: reason), headerFields: fields),
            contentLength: hasBody ? length : 0, isChunked: isChunked)
    }

    // MARK: Lines

    /// The next line without its line break. The scanner has made sure that each line has one.
    private mutating func nextLine() -> UnsafeRawBufferPointer {
        let end = rest.firstIndex(of: 0x0D) ?? rest.count
        let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
        rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 2, rest.count)...])
        return line
    }

    /// The field lines up to the empty line (§5).
    private mutating func fields() throws(Malformed) -> HTTPFields {
        var fields = HTTPFields()
        var count = 0
        while true {
            let line = nextLine()
            guard !line.isEmpty else { return fields }
            count += 1
            guard count <= maximumFields else { throw .tooManyFields(limit: maximumFields) }
            // A line that begins with white space, once the continuation of the one before, fails here: it has no name.
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                let name = HTTPField.Name(HTTPHeadParser.text(line[..<colon]))
            else { throw .fieldLine }
            var value = line[(colon + 1)...]
            while let first = value.first, HTTPSyntax.isWhitespace(first) { value.removeFirst() }
            while let last = value.last, HTTPSyntax.isWhitespace(last) { value.removeLast() }
            guard value.allSatisfy(HTTPSyntax.isFieldValueCharacter) else { throw .fieldLine }
            fields.append(HTTPField(name: name, value: value))
        }
    }

    // MARK: Parts

    private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// The minor version of HTTP/1 (§2.3); another major version is not for this parser.
    private static func minorVersion(_ bytes: Slice<UnsafeRawBufferPointer>) throws(Malformed) -> Int {
        switch text(bytes) {
        case "HTTP/1.1": return 1
        case "HTTP/1.0": return 0
        default: throw .version
        }
    }

    /// The authority, in absolute form, and the path with its query (§3.2).
    private static func target(_ target: String) throws(Malformed) -> (authority: String?, path: String) {
        if HTTPSyntax.isOriginForm(target) { return (nil, target) }
        for scheme in ["http://", "https://", "ws://", "wss://"]
        where HTTPSyntax.isEqualIgnoringCase(target.prefix(scheme.count), scheme) {
            let rest = target.dropFirst(scheme.count)
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            var path = String(rest.dropFirst(authority.count))
            if !path.hasPrefix("/") { path = "/" + path }
            guard !authority.isEmpty, HTTPSyntax.isAuthority(authority), HTTPSyntax.isOriginForm(path) else { break }
            return (String(authority), path)
        }
        // The asterisk form, which OPTIONS alone uses.
        guard target == "*" else { throw .requestTarget }
        return (nil, target)
    }

    /// The announced length of the body; several fields must agree (RFC 9110 §8.6).
    private static func contentLength(_ fields: HTTPFields) throws(Malformed) -> Int? {
        let values = HTTPSyntax.listMembers(of: fields[values: .contentLength])
        guard let first = values.first else {
            guard !fields.contains(.contentLength) else { throw .contentLength }
            return nil
        }
        guard values.allSatisfy({ $0 == first }), first.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = Int(first)
        else { throw .contentLength }
        return length
    }
}

extension HTTPFields {
    /// Whether the fields announce the body's length in two ways at once.
    fileprivate var hasContradictoryLength: Bool {
        contains(.transferEncoding) && contains(.contentLength)
    }

    /// Whether a connection field has this option (RFC 9110 §7.6.1).
    func hasConnectionOption(_ option: String) -> Bool {
        HTTPSyntax.listMembers(of: self[values: .connection]).contains {
            HTTPSyntax.isEqualIgnoringCase($0, option)
        }
    }

    /// Whether the connection stays open after this message (RFC 9112 §9.3).
    fileprivate func keepsAlive(isHTTP10: Bool) -> Bool {
        isHTTP10 ? hasConnectionOption("keep-alive") : !hasConnectionOption("close")
    }
}

extension HTTPHeadParser.Malformed: CustomStringConvertible {
    var description: String {
        switch self {
        case .startLine: "the first line is not that of an HTTP/1.1 message (RFC 9112 §3, §4)"
        case .version: "the HTTP version is not 1.1 (RFC 9112 §2.3)"
        case .fieldLine: "a header field is malformed (RFC 9112 §5)"
        case .tooManyFields(let limit): "more than \(limit) header fields (maximumHeaderFields)"
        case .host(let count):
            "\(count == 0 ? "no Host header field" : count == 1 ? "a malformed Host header field" : "\(count) Host header fields")"
                + "; one valid Host header field is needed (RFC 9112 §3.2)"
        case .requestTarget: "the request target is malformed (RFC 9112 §3.2)"
        case .contentLength: "the Content-Length is malformed (RFC 9110 §8.6)"
        case .contradictoryLength: "Transfer-Encoding and Content-Length in one message (RFC 9112 §6.1)"
        case .body: "a request with a body; none is accepted here"
        }
    }
}
