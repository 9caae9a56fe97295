import HTTPTypes

/// What both sides agreed on in the opening handshake.
public struct HandshakeAgreement: Hashable, Sendable {
    /// The subprotocol in use; `nil` if there is none.
    public let subprotocol: String?
    /// The extensions in use, with the parameters that the server chose.
    public let extensions: [WebSocketExtension]

    /// The agreement on compression (RFC 7692); `nil` if messages are not compressed.
    public let compression: PerMessageDeflate?

    /// Creates a server's agreement on a client's offers.
    package init(subprotocol: String?, compression: PerMessageDeflate?, offers: [WebSocketExtension]) {
        self.init(
            subprotocol: subprotocol, extensions: compression.map { [$0.answer(to: offers)] } ?? [],
            compression: compression)
    }

    /// Creates an agreement, for example for a `WebSocketHandshake` in a test.
    ///
    /// - Parameters:
    ///   - subprotocol: The subprotocol in use. Default: none.
    ///   - extensions: The extensions in use. Default: none.
    ///   - compression: The agreement on compression, whose extension `extensions` should have too. Default: none.
    public init(
        subprotocol: String? = nil, extensions: [WebSocketExtension] = [], compression: PerMessageDeflate? = nil
    ) {
        self.subprotocol = subprotocol
        self.extensions = extensions
        self.compression = compression
    }

    /// The most subprotocols in an offer.
    static let maximumSubprotocols = 64

    /// The fields that the handshake sets. An application cannot set them.
    static let ownFields: [HTTPField.Name] = [
        .connection, .upgrade, .secWebSocketKey, .secWebSocketAccept, .secWebSocketVersion, .secWebSocketProtocol,
        .secWebSocketExtensions, .contentLength, .transferEncoding,
    ]
}

extension HTTPField.Name {
    /// `Host`. HTTP/1.1 sends it as a field; swift-http-types has it as the request's authority.
    static let hostField = HTTPField.Name("Host").unsafelyUnwrapped
}
