public import HTTPTypes

/// Why a client's opening handshake failed ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
public struct HandshakeFailure: Error, Hashable, Sendable {
    /// What failed; an open set.
    public struct Reason: Hashable, Sendable, CustomStringConvertible {
        /// A short name, suitable as a label of a metric.
        public let description: String

        init(_ description: String) {
            self.description = description
        }

        /// The request cannot be sent: a path, field or subprotocol is malformed.
        public static var invalidRequest: Reason { Reason("invalid request") }
        /// The server responded with another status than 101.
        public static var refused: Reason { Reason("refused") }
        /// The response is not HTTP/1.1, or its head is malformed or too large.
        public static var malformedResponse: Reason { Reason("malformed response") }
        /// The `Upgrade` or `Connection` field of a 101 is missing or names something else.
        public static var notAnUpgrade: Reason { Reason("not an upgrade") }
        /// `Sec-WebSocket-Accept` is missing, repeated, or does not answer the key.
        public static var acceptMismatch: Reason { Reason("accept mismatch") }
        /// The server chose a subprotocol that was not offered.
        public static var subprotocol: Reason { Reason("subprotocol") }
        /// The server uses an extension that was not offered, or with parameters that do not fit the offer.
        public static var extensions: Reason { Reason("extensions") }
    }

    /// What failed.
    public let reason: Reason
    /// What came, and what is allowed, in one sentence.
    public let message: String
    /// The server's response; `nil` if none came, or it was malformed.
    public let response: HTTPResponse?
    /// The first bytes of the response's body, at most ``maximumBodySize``.
    public let body: [UInt8]

    /// The most bytes of the response's body that are kept: 1024.
    public static let maximumBodySize = 1024

    /// Creates a failure, for example to test code that handles one.
    ///
    /// - Parameters:
    ///   - reason: What failed.
    ///   - message: What came, and what is allowed, in one sentence.
    ///   - response: The server's response. Default: none.
    ///   - body: The first bytes of the response's body. Only ``maximumBodySize`` of them are kept. Default: none.
    public init(reason: Reason, message: String, response: HTTPResponse? = nil, body: [UInt8] = []) {
        self.init(reason, message, response: response, body: Array(body.prefix(HandshakeFailure.maximumBodySize)))
    }

    package init(_ reason: Reason, _ message: String, response: HTTPResponse? = nil, body: [UInt8] = []) {
        self.reason = reason
        self.message = message
        self.response = response
        self.body = body
    }
}

extension HandshakeFailure: CustomStringConvertible {
    public var description: String { message }
}
