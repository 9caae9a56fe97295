public import HTTPTypes
import LifelineCore

/// A request that a server has not answered yet.
public struct ServerRequest: Sendable {
    /// The request. Its authority is the value of the `Host` field.
    public let request: HTTPRequest
    /// The address and port that the request came from; those of a proxy if there is one in between.
    public let remoteAddress: String
    /// The subprotocols that the client offers, in its order of preference; empty if the request is not a WebSocket
    /// handshake.
    public let subprotocols: [String]
    /// Whether the request is HTTP/1.0, which some proxies still use.
    package let isHTTP10: Bool

    private let pattern: RoutePattern
    /// The body, which is read while it arrives; empty if the request is a WebSocket handshake.
    public let body: HTTPRequestBody

    init(
        _ inbound: InboundRequest, subprotocols: [String] = [], route: RoutePattern, from remoteAddress: String,
        body: HTTPRequestBody = HTTPRequestBody()
    ) {
        self.body = body
        request = inbound.request
        isHTTP10 = inbound.isHTTP10
        self.subprotocols = subprotocols
        pattern = route
        self.remoteAddress = remoteAddress
    }

    /// Creates a request, to test the `upgrade` closure of a route or a responder without a server.
    ///
    /// ```swift
    /// let request = ServerRequest(
    ///     HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: "/rooms/7?token=x"),
    ///     route: "/rooms/{room}")
    /// #expect(try await authorize(request).value.name == "Ada")
    /// ```
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - route: The path of the route, such as `/rooms/{room}`. Default: the request's path, without parameters.
    ///   - subprotocols: The subprotocols that the client offers. Default: none; the request's fields are not read.
    ///   - remoteAddress: The address and port that the request came from. Default: `127.0.0.1:50000`.
    ///   - body: The request's body. Default: empty.
    /// - Precondition: `route` is well-formed and matches the request's path.
    public init(
        _ request: HTTPRequest, route: String? = nil, subprotocols: [String] = [],
        remoteAddress: String = "127.0.0.1:50000", body: [UInt8] = []
    ) {
        self.body = HTTPRequestBody(body)
        self.request = request
        self.subprotocols = subprotocols
        self.remoteAddress = remoteAddress
        isHTTP10 = false
        let path = request.targetPath
        pattern = route.map { RoutePattern($0, matching: path) } ?? RoutePattern(literal: path)
    }

    /// The request's method.
    public var method: HTTPRequest.Method { request.method }
    /// The request's header fields.
    public var headerFields: HTTPFields { request.headerFields }
    /// The path, without its query.
    public var path: String { request.targetPath }
    /// The parameters of the query.
    public var query: QueryParameters { QueryParameters(request.targetQuery ?? "") }
    /// The path of the route that matches, as it was added, such as `/rooms/{room}`.
    public var route: String { pattern.text }
    /// The values of the route's parameters, such as `room` in `/rooms/{room}`.
    public var parameters: RouteParameters { pattern.parameters(in: path) }
    /// The origin of the page that sent the request; `nil` if there is none, as in requests that no browser sent
    /// ([RFC 6455 §10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
    public var origin: String? { request.headerFields[.origin] }
}
