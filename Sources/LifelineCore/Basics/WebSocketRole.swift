/// The side of a connection that an endpoint plays ([RFC 6455 §1.3](https://www.rfc-editor.org/rfc/rfc6455#section-1.3)).
///
/// The role decides who writes the request, who masks, and who ends TCP.
public enum WebSocketRole: String, Hashable, Sendable, Codable, CaseIterable {
    /// Opens the connection, masks every frame, and lets the server end TCP first.
    case client
    /// Answers the opening handshake, never masks, and ends TCP first.
    case server

    /// The other side.
    public var peer: WebSocketRole { self == .client ? .server : .client }
}
