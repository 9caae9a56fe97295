/// Why a connection was closed ([RFC 6455 §7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4)).
///
/// An open set: 1000–2999 belong to the protocol and its registry, 3000–3999 to libraries and frameworks, by
/// registration, and 4000–4999 to applications.
public struct CloseCode: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// The close code with the given number. ``isSendable`` tells whether it may be sent.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1000: the purpose of the connection has been fulfilled.
    public static var normalClosure: CloseCode { CloseCode(rawValue: 1000) }
    /// 1001: the endpoint goes away: a server shuts down, a browser leaves the page.
    public static var goingAway: CloseCode { CloseCode(rawValue: 1001) }
    /// 1002: the peer broke the protocol.
    public static var protocolError: CloseCode { CloseCode(rawValue: 1002) }
    /// 1003: a kind of data came that the endpoint cannot accept.
    public static var unsupportedData: CloseCode { CloseCode(rawValue: 1003) }
    /// 1005: the Close frame had no code. Never on the wire.
    public static var noStatusReceived: CloseCode { CloseCode(rawValue: 1005) }
    /// 1006: the connection ended without a Close frame. Never on the wire.
    public static var abnormalClosure: CloseCode { CloseCode(rawValue: 1006) }
    /// 1007: data came that does not fit its type: text that is not UTF-8.
    public static var invalidFramePayloadData: CloseCode { CloseCode(rawValue: 1007) }
    /// 1008: a message came that violates the endpoint's policy.
    public static var policyViolation: CloseCode { CloseCode(rawValue: 1008) }
    /// 1009: a message came that is too big.
    public static var messageTooBig: CloseCode { CloseCode(rawValue: 1009) }
    /// 1010: the server did not agree to an extension that the client needs.
    public static var mandatoryExtension: CloseCode { CloseCode(rawValue: 1010) }
    /// 1011: the endpoint met a condition that keeps it from fulfilling the request.
    public static var internalError: CloseCode { CloseCode(rawValue: 1011) }
    /// 1012: the service restarts (registered with IANA).
    public static var serviceRestart: CloseCode { CloseCode(rawValue: 1012) }
    /// 1013: the service is overloaded; try again later (registered with IANA).
    public static var tryAgainLater: CloseCode { CloseCode(rawValue: 1013) }
    /// 1014: a gateway got an invalid response from its upstream (registered with IANA).
    public static var badGateway: CloseCode { CloseCode(rawValue: 1014) }
    /// 1015: the TLS handshake failed. Never on the wire.
    public static var tlsHandshake: CloseCode { CloseCode(rawValue: 1015) }

    /// Whether the code may stand in a Close frame: 1000–1003, 1007–1014 and 3000–4999.
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
    /// The number, and the name where the code has one: `1001 (going away)`.
    public var description: String {
        name.map { "\(rawValue) (\($0))" } ?? "\(rawValue)"
    }

    /// The registered name of the code in lower case, or `nil`.
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
