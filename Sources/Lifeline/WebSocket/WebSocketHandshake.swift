public import HTTPTypes
public import LifelineCore

/// What was asked and agreed in the opening handshake (RFC 6455 §4).
public struct WebSocketHandshake: Sendable {
    /// The client's request.
    public let request: HTTPRequest
    /// The server's answer.
    public let response: HTTPResponse
    /// What both sides agreed on.
    public let agreement: HandshakeAgreement
    /// The peer's address and port.
    public let remoteAddress: String

    /// The subprotocol in use, or `nil`.
    public var subprotocol: String? { agreement.subprotocol }
    /// The extensions in use.
    public var extensions: [WebSocketExtension] { agreement.extensions }
    /// The request's path, without its query.
    public var path: String { String((request.path ?? "/").prefix { $0 != "?" }) }
    /// The request's query, without the question mark; `nil` where it has none.
    public var query: String? {
        guard let path = request.path, let mark = path.firstIndex(of: "?") else { return nil }
        return String(path[path.index(after: mark)...])
    }
}
