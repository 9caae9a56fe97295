public import HTTPTypes
public import LifelineCore

/// What was asked and agreed in the opening handshake (RFC 6455 §4).
public struct WebSocketHandshake: Sendable {
    private final class Storage: Sendable {
        let packed: PackedHandshake
        let remoteAddress: String

        init(_ packed: PackedHandshake, _ remoteAddress: String) {
            self.packed = packed
            self.remoteAddress = remoteAddress
        }
    }

    private let storage: Storage

    init(
        request: HTTPRequest, response: HTTPResponse, agreement: HandshakeAgreement, remoteAddress: String
    ) {
        storage = Storage(PackedHandshake(request, response, agreement), remoteAddress)
    }

    /// The client's request. It is kept packed, as is the rest: whoever needs it often keeps a copy.
    public var request: HTTPRequest { storage.packed.unpack().request }
    /// The server's answer.
    public var response: HTTPResponse { storage.packed.unpack().response }
    /// What both sides agreed on.
    public var agreement: HandshakeAgreement { storage.packed.unpack().agreement }
    /// The peer's address and port.
    public var remoteAddress: String { storage.remoteAddress }

    /// The subprotocol in use, or `nil`.
    public var subprotocol: String? { agreement.subprotocol }
    /// The extensions in use.
    public var extensions: [WebSocketExtension] { agreement.extensions }
    /// What was agreed on for compression (RFC 7692); `nil` where messages are sent as they are.
    public var compression: PerMessageDeflate? { agreement.compression }
    /// The request's path, without its query.
    public var path: String { request.targetPath }
    /// The parameters of the request's query.
    public var query: QueryParameters { QueryParameters(request.targetQuery ?? "") }
}
