import HTTPTypes

/// What the two sides agreed on in the opening handshake.
public struct HandshakeAgreement: Hashable, Sendable {
    /// The subprotocol in use, or `nil`.
    public let subprotocol: String?
    /// The extensions in use, with the parameters that the server chose.
    public let extensions: [WebSocketExtension]

    /// What was agreed on for compression (RFC 7692); `nil` where messages are sent as they are.
    public let compression: PerMessageDeflate?

    /// An agreement of a server's on a client's offers.
    package init(subprotocol: String?, compression: PerMessageDeflate?, offers: [WebSocketExtension]) {
        self.init(
            subprotocol: subprotocol, extensions: compression.map { [$0.answer(to: offers)] } ?? [],
            compression: compression)
    }

    package init(subprotocol: String?, extensions: [WebSocketExtension], compression: PerMessageDeflate? = nil) {
        self.subprotocol = subprotocol
        self.extensions = extensions
        self.compression = compression
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
