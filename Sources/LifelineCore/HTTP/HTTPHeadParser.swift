import HTTPTypes

/// Parses a complete HTTP/1.1 head strictly ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).
///
/// It rejects bare line breaks, folded lines, white space before a colon and control characters. Lenient readers disagree about the
/// meaning of these, and request smuggling exploits the disagreement. The lines' grammar (``HTTPRequestLine``, ``HTTPStatusLine``,
/// ``HTTPFieldLine``) and the length of bodies (``HTTPBodyLength``) are shared with lenient readers.
struct HTTPHeadParser {
    /// A request, and what its head says about the connection.
    struct RequestHead {
        var request: HTTPRequest
        /// Whether the request is HTTP/1.0, which cannot be upgraded.
        var isHTTP10: Bool
        /// Whether the connection can carry another request afterwards (§9.3).
        var keepsAlive: Bool
        /// Where the body ends; `.absent` or `.bytes(0)` if there is none.
        var bodyLength: HTTPBodyLength
    }

    /// A response, and where its body ends.
    struct ResponseHead {
        var response: HTTPResponse
        /// Where the body ends; `.bytes(0)` if there is none.
        var bodyLength: HTTPBodyLength
    }

    /// Why a head cannot be read.
    enum Malformed: Error, Equatable {
        case startLine
        case version
        case fieldLine
        case tooManyFields(limit: Int)
        /// Not one valid Host field; so many came.
        case host(count: Int)
        case requestTarget
        case contentLength
        /// `Transfer-Encoding` beside `Content-Length`: the mark of request smuggling (§6.1).
        case contradictoryLength
        /// An opening handshake with a body.
        case body
        /// A transfer coding other than `chunked` (§6.1).
        case transferCoding
        /// `Transfer-Encoding` in an HTTP/1.0 request, whose framing is faulty (§6.1).
        case transferEncodingOfHTTP10
    }

    private var rest: UnsafeRawBufferPointer
    private let maximumFields: Int

    /// Creates a parser of `head`, which ends with the empty line.
    private init(_ head: UnsafeRawBufferPointer, maximumFields: Int) {
        rest = head
        self.maximumFields = maximumFields
    }

    /// Parses a request's head.
    static func request(
        _ head: UnsafeRawBufferPointer, maximumFields: Int
    ) throws(Malformed) -> RequestHead {
        var parser = HTTPHeadParser(head, maximumFields: maximumFields)
        guard let line = HTTPRequestLine(parser.nextLine()), let method = HTTPRequest.Method(line.method) else {
            throw .startLine
        }
        let isHTTP10 = try minorVersion(line.version) == 0
        var fields = try parser.fields()
        let length = try bodyLength(fields, tolerating: .repeatedLengths)
        let codings = HTTPSyntax.listMembers(of: fields[values: .transferEncoding])
        if length == .chunked || length == .untilEnd {
            guard !isHTTP10 else { throw .transferEncodingOfHTTP10 }
            guard length == .chunked, codings.count == 1 else { throw .transferCoding }
        }

        var (authority, path) = try target(line.target)
        let hosts = fields[values: .hostField]
        guard hosts.count == 1 || hosts.isEmpty && isHTTP10 else { throw .host(count: hosts.count) }
        guard hosts.allSatisfy(HTTPSyntax.isAuthority) else { throw .host(count: 1) }
        // A target in absolute form overrides the field (§3.2.2).
        authority = authority ?? hosts.first
        fields[.hostField] = nil
        return RequestHead(
            request: HTTPRequest(
                method: method, scheme: nil, authority: authority, path: path, headerFields: fields),
            isHTTP10: isHTTP10, keepsAlive: fields.keepsAlive(isHTTP10: isHTTP10), bodyLength: length)
    }

    /// Parses a response's head.
    static func response(
        _ head: UnsafeRawBufferPointer, maximumFields: Int
    ) throws(Malformed) -> ResponseHead {
        var parser = HTTPHeadParser(head, maximumFields: maximumFields)
        guard let line = HTTPStatusLine(parser.nextLine()) else { throw .startLine }
        let isHTTP10 = try minorVersion(line.version) == 0
        // An HTTP/1.0 server knows no 1xx (RFC 9110 §15.2).
        guard !(isHTTP10 && line.code < 200) else { throw .version }
        guard line.reason.utf8.allSatisfy(HTTPSyntax.isFieldValueCharacter) else { throw .startLine }
        let fields = try parser.fields()
        // These two end with their head, whatever its fields announce (§6.3).
        let hasBody = line.code != 204 && line.code != 304
        let length = try bodyLength(fields, tolerating: [.repeatedLengths, .bothLengths])
        return ResponseHead(
            response: HTTPResponse(
                status: .init(code: line.code, reasonPhrase: line.reason), headerFields: fields),
            bodyLength: hasBody ? length : .bytes(0))
    }

    // MARK: Lines

    /// Returns the next line without its line break. The scanner has made sure that each line has one.
    private mutating func nextLine() -> UnsafeRawBufferPointer {
        let end = rest.firstIndex(of: 0x0D) ?? rest.count
        let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
        rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 2, rest.count)...])
        return line
    }

    /// Parses the field lines up to the empty line (§5).
    private mutating func fields() throws(Malformed) -> HTTPFields {
        var fields = HTTPFields()
        var count = 0
        while true {
            let line = nextLine()
            guard !line.isEmpty else { return fields }
            count += 1
            guard count <= maximumFields else { throw .tooManyFields(limit: maximumFields) }
            // A line that begins with white space, which once continued the line before, has no valid name.
            guard let field = HTTPFieldLine(line), let name = HTTPField.Name(HTTPHeadParser.text(field.name)),
                field.value.allSatisfy(HTTPSyntax.isFieldValueCharacter)
            else { throw .fieldLine }
            fields.append(HTTPField(name: name, value: field.value))
        }
    }

    // MARK: Parts

    private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// Returns the minor version of HTTP/1 (§2.3), and rejects other major versions.
    private static func minorVersion(_ version: String) throws(Malformed) -> Int {
        switch version {
        case "HTTP/1.1": return 1
        case "HTTP/1.0": return 0
        default: throw .version
        }
    }

    /// Returns the authority, if the target is in absolute form, and the path with its query (§3.2).
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
        // The asterisk form, which only OPTIONS uses.
        guard target == "*" else { throw .requestTarget }
        return (nil, target)
    }

    private static func bodyLength(
        _ fields: HTTPFields, tolerating tolerance: HTTPBodyLength.Tolerance
    ) throws(Malformed) -> HTTPBodyLength {
        do throws(HTTPBodyLength.Malformed) {
            return try HTTPBodyLength(
                contentLength: fields[values: .contentLength], transferEncoding: fields[values: .transferEncoding],
                tolerating: tolerance)
        } catch {
            switch error {
            case .contentLength: throw .contentLength
            case .contradictory: throw .contradictoryLength
            }
        }
    }
}

extension HTTPFields {
    /// Whether a Connection field has this option (RFC 9110 §7.6.1).
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
        case .body: "an opening handshake with a body (RFC 6455 §4.1)"
        case .transferCoding: "a Transfer-Encoding other than chunked (RFC 9112 §6.1)"
        case .transferEncodingOfHTTP10: "Transfer-Encoding in an HTTP/1.0 request (RFC 9112 §6.1)"
        }
    }
}
