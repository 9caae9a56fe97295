/// A WebSocket's URL ([RFC 6455 §3](https://www.rfc-editor.org/rfc/rfc6455#section-3)), in its parts.
public struct WebSocketURL: Hashable, Sendable {
    /// Whether the scheme is `wss`.
    public let isSecure: Bool
    /// The host: a name or an address, that of IPv6 without its brackets.
    public let host: String
    /// The port, 80 or 443 where the URL has none.
    public let port: Int
    /// The path and the query, `/` where the URL has neither.
    public let path: String

    /// Reads a URL.
    ///
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidRequest`` that says which part is wrong.
    public init(_ text: String) throws(WebSocketError) {
        guard let separator = text.firstIndex(of: ":"), text[separator...].hasPrefix("://") else {
            throw WebSocketURL.error(text, "a URL like ws://host:port/path is needed")
        }
        let scheme = text[..<separator].lowercased()
        guard scheme == "ws" || scheme == "wss" else {
            throw WebSocketURL.error(text, "the scheme must be ws or wss, not \(scheme)")
        }
        isSecure = scheme == "wss"
        let rest = text[text.index(separator, offsetBy: 3)...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !rest.contains("#") else {
            throw WebSocketURL.error(text, "a fragment (#…) has no meaning here; write # as %23")
        }
        guard !authority.contains("@") else {
            throw WebSocketURL.error(text, "user and password do not belong in the URL; send an Authorization field")
        }
        (host, port) = try WebSocketURL.split(authority, defaultPort: isSecure ? 443 : 80, of: text)
        let target = rest[authority.endIndex...]
        path = target.hasPrefix("/") ? String(target) : "/" + target
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw WebSocketURL.error(text, "the path holds a space or a character outside ASCII; percent-encode it")
        }
    }

    /// The host and, where it is not the scheme's own, the port: the Host field's value.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    private static func split(
        _ authority: Substring, defaultPort: Int, of url: String
    ) throws(WebSocketError) -> (String, Int) {
        var host = authority
        var portText: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw error(url, "the address lacks its ]") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw error(url, "only a port may follow the address") }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { throw error(url, "the host is missing") }
        guard host.utf8.allSatisfy({ isHostCharacter($0) }) else {
            throw error(
                url, "the host holds characters that no host has; write international names in their ASCII form")
        }
        guard let portText, !portText.isEmpty else { return (String(host), defaultPort) }
        guard let port = Int(portText), (1...65535).contains(port), portText.utf8.allSatisfy({ $0 >= 0x30 }) else {
            throw error(url, "the port must be a number from 1 to 65535")
        }
        return (String(host), port)
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"): true
        default: false
        }
    }

    private static func error(_ url: String, _ what: String) -> WebSocketError {
        WebSocketError(.invalidRequest, "not a WebSocket URL: \(url.debugDescription): \(what)")
    }
}

extension WebSocketURL: CustomStringConvertible {
    public var description: String { "\(isSecure ? "wss" : "ws")://\(authority)\(path)" }
}
