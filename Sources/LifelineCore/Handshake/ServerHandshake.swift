public import HTTPTypes

/// A checked request to open a connection, and a server's response to it
/// ([RFC 6455 §4.2.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1)).
///
/// The request may be an HTTP/1.1 upgrade, or an extended CONNECT of HTTP/2
/// ([RFC 8441 §5](https://www.rfc-editor.org/rfc/rfc8441#section-5)), which has neither a key nor an upgrade.
public struct ServerHandshake: Sendable {
    /// The request.
    public let request: HTTPRequest
    /// The subprotocols that the client offers, in the order of preference.
    public let subprotocols: [String]
    /// The extensions that the client offers, in the order of preference.
    public let extensions: [WebSocketExtension]
    /// The client's key; `nil` for HTTP/2.
    private let key: String?

    /// Whether a request asks for a WebSocket, even if it breaks a rule. Other requests are ordinary HTTP.
    public static func isOpening(_ request: HTTPRequest) -> Bool {
        request.extendedConnectProtocol == "websocket"
            || request.headerFields.contains(.secWebSocketKey)
            || request.headerFields.contains(.secWebSocketVersion)
            || hasUpgradeToWebSocket(request)
    }

    /// Checks a request by the rules of §4.2.1.
    ///
    /// - Throws: A ``HandshakeRefusal`` with the response to send.
    public init(_ request: HTTPRequest) throws(HandshakeRefusal) {
        let fields = request.headerFields
        if request.extendedConnectProtocol == nil {
            try ServerHandshake.checkUpgrade(request)
            try ServerHandshake.checkVersion(fields)
            key = try ServerHandshake.checkedKey(fields)
        } else {
            try ServerHandshake.checkVersion(fields)
            key = nil
        }
        subprotocols = try ServerHandshake.offeredSubprotocols(fields)
        guard let extensions = WebSocketExtension.parse(fields[values: .secWebSocketExtensions]) else {
            throw HandshakeRefusal(
                reason: .malformedOffer, status: .badRequest,
                message: "Sec-WebSocket-Extensions breaks the grammar of RFC 6455 §9.1, or is too long")
        }
        self.extensions = extensions
        self.request = request
    }

    /// The origin of the page that connects (§10.2); `nil` if the client is not a browser.
    public var origin: String? { request.headerFields[.origin] }

    /// The request's path, without its query.
    public var path: String { String((request.path ?? "/").prefix { $0 != "?" }) }

    /// Checks the page's origin.
    ///
    /// - Throws: A ``HandshakeRefusal`` with 403 if the policy does not allow it.
    public func check(_ policy: OriginPolicy) throws(HandshakeRefusal) {
        guard policy.allows(origin: origin, authority: request.authority) else {
            let name = String((origin ?? "").prefix(100)).debugDescription
            throw HandshakeRefusal(
                reason: .origin, status: .forbidden,
                message: "pages of the origin \(name) may not connect (Origin, RFC 6455 §10.2)")
        }
    }

    /// Returns the first of the server's subprotocols that the client offers; `nil` if it offers none of them.
    ///
    /// - Parameter supported: The server's subprotocols, in the order of preference.
    public func chosenSubprotocol(from supported: [String]) -> String? {
        supported.first(where: subprotocols.contains)
    }

    /// Returns the response that opens the connection (§4.2.2, item 5).
    ///
    /// - Parameters:
    ///   - subprotocol: One of ``subprotocols``, or `nil`.
    ///   - extensions: The agreement on the offered ``extensions``; ``PerMessageDeflate/answer(to:)`` for compression.
    ///   - headerFields: Fields of the application, such as cookies. Fields that belong to the handshake are ignored.
    /// - Precondition: The subprotocol was offered.
    public func response(
        subprotocol: String? = nil, extensions: [WebSocketExtension] = [], headerFields: HTTPFields = [:]
    ) -> HTTPResponse {
        precondition(subprotocol.map(subprotocols.contains) ?? true, "the subprotocol was not offered")
        var fields = headerFields
        for name in HandshakeAgreement.ownFields { fields[name] = nil }
        if let key {
            fields[.upgrade] = "websocket"
            fields[.connection] = "Upgrade"
            fields[.secWebSocketAccept] = AcceptKey.answering(key)
        }
        fields[.secWebSocketProtocol] = subprotocol
        if !extensions.isEmpty {
            fields[.secWebSocketExtensions] = extensions.map(\.description).joined(separator: ", ")
        }
        return HTTPResponse(status: key == nil ? .ok : .switchingProtocols, headerFields: fields)
    }

    // MARK: The rules of §4.2.1

    private static func hasUpgradeToWebSocket(_ request: HTTPRequest) -> Bool {
        HTTPSyntax.listMembers(of: request.headerFields[values: .upgrade]).contains {
            HTTPSyntax.isEqualIgnoringCase($0, "websocket")
        }
    }

    /// Checks items 1, 3 and 4: a GET with `Upgrade: websocket` and `Connection: Upgrade`.
    private static func checkUpgrade(_ request: HTTPRequest) throws(HandshakeRefusal) {
        guard request.method == .get else {
            throw HandshakeRefusal(
                reason: .method, status: .methodNotAllowed, message: "a WebSocket is opened with GET (RFC 6455 §4.1)",
                headerFields: [.allow: "GET"])
        }
        guard hasUpgradeToWebSocket(request) else { throw .upgradeRequired }
        guard request.headerFields.hasConnectionOption("upgrade") else {
            throw HandshakeRefusal(
                reason: .notAnUpgrade, status: .badRequest,
                message: "the Connection field must name Upgrade (RFC 6455 §4.2.1)")
        }
    }

    /// Checks item 6: version 13. The response to another version lists the supported one (§4.4).
    private static func checkVersion(_ fields: HTTPFields) throws(HandshakeRefusal) {
        let versions = fields[values: .secWebSocketVersion]
        guard versions == ["13"] else {
            let members = HTTPSyntax.listMembers(of: versions)
            let problem =
                members.isEmpty
                ? "the request has no Sec-WebSocket-Version"
                : members.count > 1
                    ? "the request has Sec-WebSocket-Version \(members.count) times"
                    : "Sec-WebSocket-Version is \(HTTPSyntax.quoted(members[0]))"
            throw HandshakeRefusal(
                reason: .version, status: .upgradeRequired,
                message: "\(problem); the version must be 13, once (RFC 6455 §4.4)",
                headerFields: [.secWebSocketVersion: "13", .upgrade: "websocket", .connection: "Upgrade"])
        }
    }

    /// Checks item 5: one key of sixteen bytes in base64.
    private static func checkedKey(_ fields: HTTPFields) throws(HandshakeRefusal) -> String {
        let keys = fields[values: .secWebSocketKey]
        guard keys.count == 1, Base64.decodedCount(of: keys[0]) == 16 else {
            let members = HTTPSyntax.listMembers(of: keys)
            let problem =
                members.isEmpty
                ? "the request has no Sec-WebSocket-Key"
                : members.count > 1
                    ? "the request has Sec-WebSocket-Key \(members.count) times"
                    : "the Sec-WebSocket-Key is not sixteen bytes in base64"
            throw HandshakeRefusal(
                reason: .key, status: .badRequest,
                message: "\(problem); one Sec-WebSocket-Key of sixteen bytes in base64 is needed (RFC 6455 §4.2.1)")
        }
        return keys[0]
    }

    /// Checks item 8: different tokens.
    private static func offeredSubprotocols(_ fields: HTTPFields) throws(HandshakeRefusal) -> [String] {
        guard fields.contains(.secWebSocketProtocol) else { return [] }
        let members = fields[values: .secWebSocketProtocol].flatMap {
            $0.split(separator: ",", omittingEmptySubsequences: false).map { String(HTTPSyntax.trimmed($0)) }
        }
        guard members.count <= HandshakeAgreement.maximumSubprotocols, members.allSatisfy({ HTTPSyntax.isToken($0) }),
            Set(members).count == members.count
        else {
            var seen: Set<String> = []
            let repeated = members.first { !seen.insert($0).inserted && HTTPSyntax.isToken($0) }
            throw HandshakeRefusal(
                reason: .malformedOffer, status: .badRequest,
                message: (repeated.map {
                    "\(HTTPSyntax.quoted(SecretText.redacted(subprotocols: $0))) is offered twice; "
                } ?? "")
                    + "Sec-WebSocket-Protocol must list different tokens, "
                    + "at most \(HandshakeAgreement.maximumSubprotocols) (RFC 6455 §4.1)")
        }
        return members
    }
}

extension HandshakeRefusal {
    /// The refusal of a request without an upgrade for a resource that is only a WebSocket (RFC 9110 §15.5.22).
    package static var upgradeRequired: HandshakeRefusal {
        HandshakeRefusal(
            reason: .notAnUpgrade, status: .upgradeRequired,
            message: "this resource is a WebSocket: Upgrade: websocket is needed",
            headerFields: [.upgrade: "websocket", .connection: "Upgrade", .secWebSocketVersion: "13"])
    }
}
