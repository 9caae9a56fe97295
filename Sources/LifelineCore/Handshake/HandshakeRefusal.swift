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
    /// What came, and what is allowed, in one sentence, which is also the response's body.
    public let message: String
    /// Additional fields of the response.
    public let headerFields: HTTPFields

    /// Creates a refusal.
    ///
    /// - Parameters:
    ///   - reason: Why the request is refused. Default: ``Reason/application``.
    ///   - status: The response's status, such as 401.
    ///   - message: What came, and what is allowed. The client receives it as the response's body.
    ///   - headerFields: Additional fields of the response, such as `WWW-Authenticate`. Default: none.
    public init(
        _ reason: Reason = .application, status: HTTPResponse.Status, message: String, headerFields: HTTPFields = [:]
    ) {
        self.reason = reason
        self.status = status
        self.message = message
        self.headerFields = headerFields
    }
}

extension HandshakeRefusal: CustomStringConvertible {
    public var description: String { "\(status.code) \(status.reasonPhrase): \(message)" }
}

extension HandshakeRefusal {
    init(_ malformed: HTTPHeadParser.Malformed) {
        switch malformed {
        case .tooManyFields:
            self.init(.headTooLarge, status: .requestHeaderFieldsTooLarge, message: "\(malformed)")
        case .version:
            self.init(.malformedRequest, status: .httpVersionNotSupported, message: "\(malformed)")
        case .body:
            self.init(.malformedRequest, status: .contentTooLarge, message: "\(malformed)")
        default:
            self.init(.malformedRequest, status: .badRequest, message: "\(malformed)")
        }
    }
}
