import HTTPTypes

/// What the two sides agreed on in the opening handshake.
public struct HandshakeAgreement: Hashable, Sendable {
    /// The subprotocol in use, or `nil`.
    public let subprotocol: String?
    /// The extensions in use, with the parameters that the server chose.
    public let extensions: [WebSocketExtension]

    package init(subprotocol: String?, extensions: [WebSocketExtension]) {
        self.subprotocol = subprotocol
        self.extensions = extensions
    }

    /// The most subprotocols that are read from an offer.
    static let maximumSubprotocols = 64

    /// The fields that the handshake itself sets; an application's fields of these names would break it.
    static let ownFields: [HTTPField.Name] = [
        .connection, .upgrade, .secWebSocketKey, .secWebSocketAccept, .secWebSocketVersion, .secWebSocketProtocol,
        .secWebSocketExtensions, .contentLength, .transferEncoding,
    ]
}

extension HTTPField.Name {
    /// `Host`. swift-http-types keeps it in the request's authority; HTTP/1.1 has it as a field.
    static let hostField = HTTPField.Name("Host").unsafelyUnwrapped
}
