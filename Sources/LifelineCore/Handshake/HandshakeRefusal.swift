public import HTTPTypes

/// Why a server refuses an opening handshake, and the HTTP response that says so
/// ([RFC 6455 §4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2)).
public struct HandshakeRefusal: Error, Hashable, Sendable {
    /// Why a request is refused; an open set.
    public struct Reason: Hashable, Sendable, CustomStringConvertible {
        /// A short name, suitable as a label of a metric.
        public let description: String

        init(_ description: String) {
            self.description = description
        }

        /// The request's head is malformed, or the request has a body.
        public static var malformedRequest: Reason { Reason("malformed request") }
        /// The request's head is longer, or has more fields, than the limits allow.
        public static var headTooLarge: Reason { Reason("head too large") }
        /// The method of a WebSocket handshake is not GET.
        public static var method: Reason { Reason("method") }
        /// The `Upgrade` or `Connection` field is missing or names something else.
        public static var notAnUpgrade: Reason { Reason("not an upgrade") }
        /// `Sec-WebSocket-Version` is missing or is not 13.
        public static var version: Reason { Reason("version") }
        /// `Sec-WebSocket-Key` is missing, repeated, or not sixteen bytes of base64.
        public static var key: Reason { Reason("key") }
        /// `Sec-WebSocket-Protocol` or `Sec-WebSocket-Extensions` breaks its grammar.
        public static var malformedOffer: Reason { Reason("malformed offer") }
        /// A page of this origin may not connect (``OriginPolicy``).
        public static var origin: Reason { Reason("origin") }
        /// There is no WebSocket at this path.
        public static var notFound: Reason { Reason("not found") }
        /// The application refuses the request.
        public static var application: Reason { Reason("application") }
        /// The server is shutting down, or at its limit of connections.
        public static var unavailable: Reason { Reason("unavailable") }
    }

    /// Why the request is refused.
    public let reason: Reason
    /// The response's status.
    public let status: HTTPResponse.Status
    /// What was received and what is allowed, in one sentence. It is logged, and is the response's body unless another
    /// is given.
    public let message: String
    /// Fields that the response carries besides its length and its content type.
    public let headerFields: HTTPFields
    /// The response's body. Default: ``message`` as a line of plain text.
    public let body: [UInt8]

    /// Creates a refusal with a one-sentence explanation.
    ///
    /// - Parameters:
    ///   - reason: The rule that the request broke, which is a metric's label.
    ///   - status: The response's status; not an interim one (1xx).
    ///   - message: What came and what is allowed. It is logged, and it is the response's body.
    ///   - headerFields: Fields that the response carries besides its length and its content type.
    public init(
        reason: Reason = .application, status: HTTPResponse.Status, message: String, headerFields: HTTPFields = [:]
    ) {
        var headerFields = headerFields
        if headerFields[.contentType] == nil { headerFields[.contentType] = "text/plain; charset=utf-8" }
        self.init(reason, status, message, headerFields, Array(message.utf8) + [0x0A])
    }

    /// Creates a refusal with a custom response.
    ///
    /// ```swift
    /// throw HandshakeRefusal(.unauthorized, headerFields: [.wwwAuthenticate: "Bearer"])
    /// ```
    ///
    /// - Parameters:
    ///   - status: The response's status; not an interim one (1xx).
    ///   - headerFields: The response's fields. `Content-Length` is added.
    ///   - body: The response's body. Default: none.
    public init(_ status: HTTPResponse.Status, headerFields: HTTPFields = [:], body: [UInt8] = []) {
        self.init(.application, status, status.reasonPhrase, headerFields, body)
    }

    private init(
        _ reason: Reason, _ status: HTTPResponse.Status, _ message: String, _ headerFields: HTTPFields, _ body: [UInt8]
    ) {
        precondition(
            status.code >= 200,
            "the status of a refusal is \(status.code); an interim status (1xx) would leave the client waiting")
        self.reason = reason
        self.status = status
        self.message = message
        self.headerFields = headerFields
        self.body = body
    }

    /// The response's head, except for its length.
    package var response: HTTPResponse { HTTPResponse(status: status, headerFields: headerFields) }
}

extension HandshakeRefusal: CustomStringConvertible {
    public var description: String { "\(status.code) \(status.reasonPhrase): \(message)" }
}

extension HandshakeRefusal {
    init(_ malformed: HTTPHeadParser.Malformed) {
        switch malformed {
        case .tooManyFields:
            self.init(reason: .headTooLarge, status: .requestHeaderFieldsTooLarge, message: "\(malformed)")
        case .version:
            self.init(reason: .malformedRequest, status: .httpVersionNotSupported, message: "\(malformed)")
        case .transferCoding:
            self.init(reason: .malformedRequest, status: .notImplemented, message: "\(malformed)")
        case .body:
            self.init(reason: .malformedRequest, status: .contentTooLarge, message: "\(malformed)")
        default:
            self.init(reason: .malformedRequest, status: .badRequest, message: "\(malformed)")
        }
    }
}
