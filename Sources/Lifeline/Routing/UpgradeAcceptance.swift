public import HTTPTypes

/// A route's decision to open a WebSocket; a route that refuses throws a `HandshakeRefusal`.
///
/// ```swift
/// server.route("/rooms") { upgrade in
///     guard let user = try await users.verify(upgrade.query["token"]) else {
///         throw HandshakeRefusal(.unauthorized)
///     }
///     return .accept(user)
/// } handler: { socket, user in
///     try await socket.send("Hello, \(user.name)")
/// }
/// ```
public struct UpgradeAcceptance<Value: Sendable>: Sendable {
    /// The value that the route's handler receives.
    public var value: Value
    /// The subprotocol; `nil` for the first of the route's `subprotocols` that the client offers.
    public var subprotocol: String?
    /// Fields that the response carries in addition to the handshake's own.
    public var headerFields: HTTPFields

    /// Opens the WebSocket.
    ///
    /// - Parameters:
    ///   - value: The value that the route's handler receives.
    ///   - subprotocol: One of the subprotocols that the client offers (``ServerRequest/subprotocols``). Default: the
    ///     first of the route's `subprotocols` that the client offers, or none. A client must fail the connection if the
    ///     server chooses a subprotocol that it did not offer (RFC 6455 §4.1), so the server then answers with 500 and
    ///     logs the mistake.
    ///   - headerFields: Fields that the response carries in addition to the handshake's own, such as cookies. Fields that the
    ///     handshake sets itself are left out.
    public static func accept(
        _ value: Value, subprotocol: String? = nil, headerFields: HTTPFields = [:]
    ) -> UpgradeAcceptance {
        UpgradeAcceptance(value: value, subprotocol: subprotocol, headerFields: headerFields)
    }
}

extension UpgradeAcceptance where Value == Void {
    /// Opens the WebSocket; see ``accept(_:subprotocol:headerFields:)``.
    public static func accept(subprotocol: String? = nil, headerFields: HTTPFields = [:]) -> UpgradeAcceptance {
        .accept((), subprotocol: subprotocol, headerFields: headerFields)
    }
}
