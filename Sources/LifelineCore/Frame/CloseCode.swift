/// Why a connection was closed ([RFC 6455 §7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4)).
///
/// An open set: 1000–2999 are for the protocol and its registry, 3000–3999 for libraries and frameworks, by registration, and
/// 4000–4999 for applications.
public struct CloseCode: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// Creates the close code with the given number. ``isSendable`` says whether it may be sent.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1000: the purpose of the connection has been fulfilled.
    public static var normalClosure: CloseCode { CloseCode(rawValue: 1000) }
    /// 1001: the endpoint is going away: a server shuts down, or a browser leaves the page.
    public static var goingAway: CloseCode { CloseCode(rawValue: 1001) }
    /// 1002: the peer broke the protocol.
    public static var protocolError: CloseCode { CloseCode(rawValue: 1002) }
    /// 1003: the endpoint received a kind of data that it cannot accept.
    public static var unsupportedData: CloseCode { CloseCode(rawValue: 1003) }
    /// 1005: the Close frame had no code. Never on the wire.
    public static var noStatusReceived: CloseCode { CloseCode(rawValue: 1005) }
    /// 1006: the connection ended without a Close frame. Never on the wire.
    public static var abnormalClosure: CloseCode { CloseCode(rawValue: 1006) }
    /// 1007: the endpoint received data that does not fit its type, such as text that is not UTF-8.
    public static var invalidFramePayloadData: CloseCode { CloseCode(rawValue: 1007) }
    /// 1008: the endpoint received a message that violates its policy.
    public static var policyViolation: CloseCode { CloseCode(rawValue: 1008) }
    /// 1009: the endpoint received a message that is too big.
    public static var messageTooBig: CloseCode { CloseCode(rawValue: 1009) }
    /// 1010: the server did not agree to an extension that the client needs.
    public static var mandatoryExtension: CloseCode { CloseCode(rawValue: 1010) }
    /// 1011: an unexpected condition prevented the endpoint from fulfilling the request.
    public static var internalError: CloseCode { CloseCode(rawValue: 1011) }
    /// 1012: the service is restarting (registered with IANA).
    public static var serviceRestart: CloseCode { CloseCode(rawValue: 1012) }
    /// 1013: the service is overloaded; try again later (registered with IANA).
    public static var tryAgainLater: CloseCode { CloseCode(rawValue: 1013) }
    /// 1014: a gateway received an invalid response from its upstream server (registered with IANA).
    public static var badGateway: CloseCode { CloseCode(rawValue: 1014) }
    /// 1015: the TLS handshake failed. Never on the wire.
    public static var tlsHandshake: CloseCode { CloseCode(rawValue: 1015) }

    /// Whether the code may be sent in a Close frame: 1000–1003, 1007–1014 and 3000–4999.
    ///
    /// 1004–1006 and 1015 are reserved, 1016–2999 are not assigned, and the rest is outside the protocol (§7.4.2).
    public var isSendable: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

extension CloseCode: CustomStringConvertible {
    /// The number, and the name if the code has one: `1001 (going away)`.
    public var description: String {
        name.map { "\(rawValue) (\($0))" } ?? "\(rawValue)"
    }

    /// The registered name of the code in lower case; `nil` if it has none.
    public var name: String? {
        switch rawValue {
        case 1000: "normal closure"
        case 1001: "going away"
        case 1002: "protocol error"
        case 1003: "unsupported data"
        case 1005: "no status received"
        case 1006: "abnormal closure"
        case 1007: "invalid frame payload data"
        case 1008: "policy violation"
        case 1009: "message too big"
        case 1010: "mandatory extension"
        case 1011: "internal error"
        case 1012: "service restart"
        case 1013: "try again later"
        case 1014: "bad gateway"
        case 1015: "TLS handshake"
        default: nil
        }
    }
}
