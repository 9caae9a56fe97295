public import HTTPTypes
public import LifelineCore

/// A route's decision about a request to open a WebSocket.
///
/// ```swift
/// server.route("/rooms") { upgrade in
///     guard let user = try await users.verify(upgrade.query["token"]) else { return .refuse(.unauthorized) }
///     return .accept(user)
/// } handler: { socket, user in
///     try await socket.send("Hello, \(user.name)")
/// }
/// ```
public enum UpgradeDecision<Value: Sendable>: Sendable {
    /// Opens the WebSocket.
    case accepted(UpgradeAcceptance<Value>)
    /// Answers the request with an HTTP response instead.
    case refused(HandshakeRefusal)

    /// Opens the WebSocket.
    ///
    /// - Parameters:
    ///   - value: A value for the route's handler.
    ///   - subprotocol: One of the subprotocols that the client offers (``ServerRequest/subprotocols``). Default: the
    ///     first of the route's `subprotocols` that the client offers, or none. A subprotocol that the client did not
    ///     offer would make it fail the connection (RFC 6455 §4.1), so the server logs an error and answers with 500
    ///     instead.
    ///   - headerFields: Response fields in addition to those of the handshake, such as cookies.
    public static func accept(
        _ value: Value, subprotocol: String? = nil, headerFields: HTTPFields = [:]
    ) -> UpgradeDecision {
        .accepted(UpgradeAcceptance(value: value, subprotocol: subprotocol, headerFields: headerFields))
    }

    /// Answers the request with an HTTP response instead.
    ///
    /// - Parameters:
    ///   - status: The status code; not an informational one (1xx).
    ///   - headerFields: The response's header fields. The server adds `Content-Length`.
    ///   - body: The response's body. Default: none.
    public static func refuse(
        _ status: HTTPResponse.Status, headerFields: HTTPFields = [:], body: [UInt8] = []
    ) -> UpgradeDecision {
        .refused(HandshakeRefusal(status, headerFields: headerFields, body: body))
    }
}

extension UpgradeDecision where Value == Void {
    /// Opens the WebSocket; see ``accept(_:subprotocol:headerFields:)``.
    public static func accept(subprotocol: String? = nil, headerFields: HTTPFields = [:]) -> UpgradeDecision {
        .accept((), subprotocol: subprotocol, headerFields: headerFields)
    }
}

/// The parameters with which a route opens a WebSocket.
public struct UpgradeAcceptance<Value: Sendable>: Sendable {
    /// The value for the route's handler.
    public var value: Value
    /// The subprotocol; `nil` for the first of the route's `subprotocols` that the client offers.
    public var subprotocol: String?
    /// Response fields in addition to those of the handshake.
    public var headerFields: HTTPFields
}
