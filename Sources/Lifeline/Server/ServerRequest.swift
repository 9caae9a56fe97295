public import HTTPTypes
import LifelineCore

/// A request to a server that has not been answered yet.
public struct ServerRequest: Sendable {
    /// The request. Its authority is the Host field's value.
    public let request: HTTPRequest
    /// The address and port that the request came from: a proxy's, if one is in between.
    public let remoteAddress: String
    /// The subprotocols that the client offers, in its order of preference; empty if the request does not open a WebSocket.
    public let subprotocols: [String]
    /// Whether it came as HTTP/1.0, which no browser speaks any more, and some proxies do.
    package let isHTTP10: Bool

    init(_ inbound: InboundRequest, subprotocols: [String] = [], from remoteAddress: String) {
        request = inbound.request
        isHTTP10 = inbound.isHTTP10
        self.subprotocols = subprotocols
        self.remoteAddress = remoteAddress
    }

    /// The request's fields.
    public var headerFields: HTTPFields { request.headerFields }
    /// The path, without its query.
    public var path: String { request.targetPath }
    /// The query's parameters.
    public var query: QueryParameters { QueryParameters(request.targetQuery ?? "") }
    /// The origin of the page that sent the request; `nil` if a browser did not send it
    /// ([RFC 6455 §10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
    public var origin: String? { request.headerFields[.origin] }
}
