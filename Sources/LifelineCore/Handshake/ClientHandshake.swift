public import HTTPTypes

/// A client's request to open a connection, and the check of the server's response
/// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
public struct ClientHandshake: Sendable {
    /// The request.
    public let request: HTTPRequest
    /// The offered subprotocols.
    public let subprotocols: [String]
    /// The offered extensions.
    public let extensions: [WebSocketExtension]
    private let key: String

    /// Creates a request with a fresh key.
    ///
    /// - Parameters:
    ///   - authority: The server's host, with its port unless that is the scheme's default.
    ///   - path: The path and query.
    ///   - subprotocols: Different tokens, in the order of preference.
    ///   - extensions: The offers, in the order of preference; ``CompressionConfiguration/offers`` for compression.
    ///   - headerFields: Fields of the application, such as `Authorization` or `Origin`. A `Host` field replaces the authority.
    ///   - random: The source of the key.
    /// - Throws: A ``HandshakeFailure`` with the reason ``HandshakeFailure/Reason/invalidRequest`` if an argument would change the
    ///   request's meaning: if it has a line break, a character that is not allowed in a token, or is a field that belongs to the
    ///   handshake.
    public init(
        authority: String, path: String, subprotocols: [String] = [], extensions: [WebSocketExtension] = [],
        headerFields: HTTPFields = [:], random: inout RandomPool
    ) throws(HandshakeFailure) {
        guard !authority.isEmpty, HTTPSyntax.isAuthority(authority) else {
            throw HandshakeFailure(.invalidRequest, "the host has characters that are not allowed in a Host field")
        }
        guard HTTPSyntax.isOriginForm(path) else {
            throw HandshakeFailure(
                .invalidRequest,
                "the path must begin with / and have only visible ASCII characters other than #; percent-encode others"
            )
        }
        guard subprotocols.allSatisfy({ HTTPSyntax.isToken($0) }), Set(subprotocols).count == subprotocols.count else {
            throw HandshakeFailure(.invalidRequest, "subprotocols must be different tokens (RFC 6455 §4.1)")
        }
        guard extensions.allSatisfy(\.isValid) else {
            throw HandshakeFailure(.invalidRequest, "an extension's names and values must be tokens (RFC 6455 §9.1)")
        }
        for name in HandshakeAgreement.ownFields where headerFields.contains(name) {
            throw HandshakeFailure(.invalidRequest, "the handshake sets \(name.rawName) itself; remove the field")
        }
        key = AcceptKey.nonce(&random)
        self.subprotocols = subprotocols
        self.extensions = extensions
        request = ClientHandshake.request(
            key: key, authority: authority, path: path, subprotocols: subprotocols, extensions: extensions,
            headerFields: headerFields)
    }

    private static func request(
        key: String, authority: String, path: String, subprotocols: [String], extensions: [WebSocketExtension],
        headerFields: HTTPFields
    ) -> HTTPRequest {
        var fields = HTTPFields()
        fields[.upgrade] = "websocket"
        fields[.connection] = "Upgrade"
        fields[.secWebSocketKey] = key
        fields[.secWebSocketVersion] = "13"
        if !subprotocols.isEmpty { fields[.secWebSocketProtocol] = subprotocols.joined(separator: ", ") }
        if !extensions.isEmpty {
            fields[.secWebSocketExtensions] = extensions.map(\.description).joined(separator: ", ")
        }
        // A Host field of the caller replaces the authority, as for a server that is reached by another name.
        var ours = headerFields
        let host = ours[.hostField]
        ours[.hostField] = nil
        fields.append(contentsOf: ours)
        return HTTPRequest(
            method: .get, scheme: nil, authority: host ?? authority, path: path, headerFields: fields)
    }

    /// Checks the server's response by the rules of §4.1, and returns what it agreed to.
    ///
    /// - Throws: A ``HandshakeFailure``. The connection must be ended then.
    public func agreement(from response: HTTPResponse) throws(HandshakeFailure) -> HandshakeAgreement {
        let fields = response.headerFields
        guard response.status == .switchingProtocols else {
            let phrase = response.status.reasonPhrase
            throw HandshakeFailure(
                .refused,
                "the server refused the handshake: \(response.status.code)" + (phrase.isEmpty ? "" : " \(phrase)"),
                response: response)
        }
        if let problem = ClientHandshake.upgradeProblem(fields) {
            throw HandshakeFailure(.notAnUpgrade, problem, response: response)
        }
        if let problem = acceptProblem(fields) { throw HandshakeFailure(.acceptMismatch, problem, response: response) }
        let extensions = try chosenExtensions(response)
        return HandshakeAgreement(
            subprotocol: try chosenSubprotocol(response), extensions: extensions,
            compression: try agreedCompression(extensions, response))
    }

    /// Checks items 2 and 3: exactly one `Upgrade: websocket`, and `Connection: Upgrade`.
    ///
    /// - Returns: What is wrong; `nil` if nothing is.
    private static func upgradeProblem(_ fields: HTTPFields) -> String? {
        let upgrades = HTTPSyntax.listMembers(of: fields[values: .upgrade])
        let others = upgrades.filter { !HTTPSyntax.isEqualIgnoringCase($0, "websocket") }
        if upgrades.isEmpty { return "the 101 has no Upgrade field; Upgrade: websocket is needed (RFC 6455 §4.1)" }
        if let other = others.first {
            return "the 101 upgrades to \(HTTPSyntax.quoted(other)); only websocket is allowed (RFC 6455 §4.1)"
        }
        if upgrades.count > 1 {
            return
                "the 101 has Upgrade: websocket \(upgrades.count) times; it is allowed once (RFC 6455 §4.1)"
        }
        guard fields.hasConnectionOption("upgrade") else {
            let connection = fields[.connection].map { "its Connection field is \(HTTPSyntax.quoted($0))" }
            return "the 101 lacks Connection: Upgrade; \(connection ?? "it has no Connection field") (RFC 6455 §4.1)"
        }
        return nil
    }

    /// Checks item 4: one `Sec-WebSocket-Accept`, which answers the key.
    ///
    /// - Returns: What is wrong; `nil` if nothing is.
    private func acceptProblem(_ fields: HTTPFields) -> String? {
        let right = AcceptKey.answering(key)
        let values = fields[values: .secWebSocketAccept]
        if values == [right] { return nil }
        let members = HTTPSyntax.listMembers(of: values)
        if members.isEmpty { return "the 101 has no Sec-WebSocket-Accept (RFC 6455 §4.1)" }
        if members.count > 1 || values.count > 1 {
            return "the 101 has Sec-WebSocket-Accept \(max(members.count, values.count)) times; "
                + "it is allowed once (RFC 6455 §4.1)"
        }
        return "the 101's Sec-WebSocket-Accept, \(HTTPSyntax.quoted(members[0])), "
            + "does not answer the key (RFC 6455 §4.1)"
    }

    /// Returns the subprotocols for an error message, redacted: clients that can set no other field send tokens as subprotocols.
    private func shown(_ subprotocols: [some StringProtocol]) -> String {
        SecretText.redacted(subprotocols: subprotocols.joined(separator: ", "))
    }

    /// Checks item 6: one of the offered subprotocols, or none.
    private func chosenSubprotocol(_ response: HTTPResponse) throws(HandshakeFailure) -> String? {
        let chosen = response.headerFields[values: .secWebSocketProtocol]
        guard !chosen.isEmpty else { return nil }
        if chosen.count == 1, subprotocols.contains(chosen[0]) { return chosen[0] }
        let members = HTTPSyntax.listMembers(of: chosen)
        guard members.count <= 1, chosen.count == 1 else {
            let isRepeated = Set(members).count < max(members.count, 1)
            throw HandshakeFailure(
                .subprotocol,
                "the server chose \(isRepeated ? "a subprotocol twice" : "several subprotocols") "
                    + "(\(HTTPSyntax.quoted(shown(members)))); one is allowed (RFC 6455 §4.1)",
                response: response)
        }
        let offered = subprotocols.isEmpty ? "none was offered" : "offered: \(shown(subprotocols))"
        throw HandshakeFailure(
            .subprotocol,
            "the server chose a subprotocol that was not offered, \(HTTPSyntax.quoted(shown(chosen))) (\(offered))",
            response: response)
    }

    /// Checks that the server has accepted an offer of permessage-deflate (RFC 7692 §7.1).
    private func agreedCompression(
        _ chosen: [WebSocketExtension], _ response: HTTPResponse
    ) throws(HandshakeFailure) -> PerMessageDeflate? {
        guard let answer = chosen.first(where: { $0.name == PerMessageDeflate.name }) else { return nil }
        do throws(PerMessageDeflate.Malformed) {
            let offers = extensions.filter { $0.name == PerMessageDeflate.name }
            return try PerMessageDeflate.agreement(from: answer, to: offers)
        } catch {
            throw HandshakeFailure(
                .extensions, "the server's response to permessage-deflate: \(error.reason) (RFC 7692 §7.1)",
                response: response)
        }
    }

    /// Checks item 5: only offered extensions, each at most once.
    private func chosenExtensions(_ response: HTTPResponse) throws(HandshakeFailure) -> [WebSocketExtension] {
        let values = response.headerFields[values: .secWebSocketExtensions]
        guard let chosen = WebSocketExtension.parse(values) else {
            throw HandshakeFailure(
                .extensions, "the server's Sec-WebSocket-Extensions breaks the grammar of RFC 6455 §9.1",
                response: response)
        }
        var seen: Set<String> = []
        let offered = Set(extensions.map(\.name))
        for element in chosen {
            guard offered.contains(element.name) else {
                throw HandshakeFailure(
                    .extensions,
                    "the server uses an extension that was not offered, \(HTTPSyntax.quoted(element.name)) (RFC 6455 §9.1)",
                    response: response)
            }
            guard seen.insert(element.name).inserted else {
                throw HandshakeFailure(
                    .extensions,
                    "the server uses an extension twice, \(HTTPSyntax.quoted(element.name)); once is allowed (RFC 6455 §9.1)",
                    response: response)
            }
        }
        return chosen
    }
}
