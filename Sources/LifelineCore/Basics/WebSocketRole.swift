/// The two roles in a connection ([RFC 6455 §1.3](https://www.rfc-editor.org/rfc/rfc6455#section-1.3)).
///
/// The role decides who sends the opening handshake, who masks, and who ends TCP first.
public enum WebSocketRole: String, Hashable, Sendable, Codable, CaseIterable {
    /// Sends the opening handshake, masks every frame, and lets the server end TCP first.
    case client
    /// Answers the opening handshake, never masks, and ends TCP first.
    case server

    /// The role of the peer.
    public var peer: WebSocketRole { self == .client ? .server : .client }
}
