public import HTTPTypes
public import LifelineCore

/// The request, the response and the agreement of the opening handshake (RFC 6455 §4).
public struct WebSocketHandshake: Sendable {
    private final class Storage: Sendable {
        let packed: PackedHandshake
        let remoteAddress: String
        let pattern: RoutePattern?

        init(_ packed: PackedHandshake, _ remoteAddress: String, _ pattern: RoutePattern?) {
            self.packed = packed
            self.remoteAddress = remoteAddress
            self.pattern = pattern
        }
    }

    private let storage: Storage

    init(
        request: HTTPRequest, response: HTTPResponse, agreement: HandshakeAgreement, remoteAddress: String,
        route: RoutePattern
    ) {
        storage = Storage(PackedHandshake(request, response, agreement), remoteAddress, route)
    }

    /// Creates a handshake from its parts, for example to test a function that makes an ``OnLoopHandler``. No rule of
    /// the handshake is checked.
    ///
    /// - Parameters:
    ///   - request: The client's request.
    ///   - response: The server's response. Default: 101 without header fields.
    ///   - agreement: What both sides agreed on. Default: neither a subprotocol nor extensions.
    ///   - remoteAddress: The peer's address and port. Default: `127.0.0.1:50000`.
    ///   - route: A server: the path of the route, such as `/rooms/{room}`. Default: `nil`, as at a client.
    /// - Precondition: `route` is well-formed and matches the request's path.
    public init(
        request: HTTPRequest, response: HTTPResponse = HTTPResponse(status: .switchingProtocols),
        agreement: HandshakeAgreement = HandshakeAgreement(), remoteAddress: String = "127.0.0.1:50000",
        route: String? = nil
    ) {
        let pattern = route.map { RoutePattern($0, matching: request.targetPath) }
        storage = Storage(PackedHandshake(request, response, agreement), remoteAddress, pattern)
    }

    /// The client's request. All properties are stored packed and unpacked on each access: keep a copy if you need one
    /// often.
    public var request: HTTPRequest { storage.packed.unpack().request }
    /// The server's response.
    public var response: HTTPResponse { storage.packed.unpack().response }
    /// The subprotocol, extensions and compression that client and server agreed on.
    public var agreement: HandshakeAgreement { storage.packed.unpack().agreement }
    /// The peer's address and port, such as `127.0.0.1:50000`. For a Unix domain socket, it is `unix:` and the path, which
    /// a client's end usually does not have.
    public var remoteAddress: String { storage.remoteAddress }

    /// The subprotocol in use; `nil` if there is none.
    public var subprotocol: String? { agreement.subprotocol }
    /// The extensions in use.
    public var extensions: [WebSocketExtension] { agreement.extensions }
    /// The agreed compression parameters (RFC 7692); `nil` if messages are not compressed.
    public var compression: PerMessageDeflate? { agreement.compression }
    /// The request's path, without its query.
    public var path: String { request.targetPath }
    /// A server: the path of the route that matches, as it was added, such as `/rooms/{room}`. A client: `nil`.
    public var route: String? { storage.pattern?.text }
    /// A server: the values of the route's parameters, such as `room` in `/rooms/{room}`. A client: none.
    public var parameters: RouteParameters { storage.pattern?.parameters(in: path) ?? RouteParameters() }
    /// The parameters of the request's query.
    public var query: QueryParameters { QueryParameters(request.targetQuery ?? "") }
}
