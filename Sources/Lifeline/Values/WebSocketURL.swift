/// A parsed WebSocket URL ([RFC 6455 §3](https://www.rfc-editor.org/rfc/rfc6455#section-3)).
public struct WebSocketURL: Hashable, Sendable {
    /// Whether the scheme is `wss`.
    public let isSecure: Bool
    /// The host: a name or an address. An IPv6 address has neither brackets nor zone here.
    public let host: String
    /// The zone of a link-local IPv6 address, which names a network interface of this machine: `eth0` in
    /// `ws://[fe80::1%25eth0]/` ([RFC 6874](https://www.rfc-editor.org/rfc/rfc6874)). A `%` that is not written `%25`
    /// is accepted too.
    public let zone: String?
    /// The port. Default: 80 for `ws`, 443 for `wss`.
    public let port: Int
    /// The path and the query; `/` if the URL has neither.
    public let path: String

    /// Parses a URL.
    ///
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidRequest`` and a message that says which
    ///   part is invalid.
    public init(_ text: String) throws(WebSocketError) {
        guard let separator = text.firstIndex(of: ":"), text[separator...].hasPrefix("://") else {
            throw WebSocketURL.error(text, "it must look like ws://host:port/path")
        }
        let scheme = text[..<separator].lowercased()
        guard scheme == "ws" || scheme == "wss" else {
            throw WebSocketURL.error(text, "the scheme must be ws or wss, not \(scheme)")
        }
        isSecure = scheme == "wss"
        let rest = text[text.index(separator, offsetBy: 3)...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !rest.contains("#") else {
            throw WebSocketURL.error(text, "a WebSocket URL has no fragment (#…); write # as %23")
        }
        guard !authority.contains("@") else {
            throw WebSocketURL.error(
                text, "it must not contain a user name or password; send an Authorization field instead")
        }
        (host, zone, port) = try WebSocketURL.split(authority, defaultPort: isSecure ? 443 : 80, of: text)
        let target = rest[authority.endIndex...]
        path = target.hasPrefix("/") ? String(target) : "/" + target
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw WebSocketURL.error(text, "the path contains a space or a non-ASCII character; percent-encode it")
        }
    }

    /// The host, and the port unless it is the scheme's default: the value of the `Host` field. The zone is omitted,
    /// because it means nothing to the peer (RFC 6874 §4).
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    private static func split(
        _ authority: Substring, defaultPort: Int, of url: String
    ) throws(WebSocketError) -> (String, zone: String?, Int) {
        var host = authority
        var zone: String?
        var portText: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw error(url, "the IPv6 address has no closing ]") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            if let percent = host.firstIndex(of: "%") {
                zone = try WebSocketURL.zone(host[percent...].dropFirst(), of: url)
                host = host[..<percent]
            }
            guard host.contains(":"), IPAddressBytes.bytes(of: host) != nil else {
                throw error(url, "the brackets must contain an IPv6 address")
            }
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw error(url, "only a port may follow the closing ]") }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { throw error(url, "the host is missing") }
        guard host.utf8.allSatisfy({ isHostCharacter($0) }) else {
            throw error(
                url, "the host contains invalid characters; write international names in ASCII form (Punycode)")
        }
        guard let portText, !portText.isEmpty else { return (String(host), zone, defaultPort) }
        guard let port = Int(portText), (1...65535).contains(port), portText.utf8.allSatisfy({ $0 >= 0x30 }) else {
            throw error(url, "the port must be a number from 1 to 65535")
        }
        return (String(host), zone, port)
    }

    /// Percent-decodes the zone that follows the first `%` of an address.
    private static func zone(_ text: Substring, of url: String) throws(WebSocketError) -> String {
        // A URL writes the `%` before the zone as `%25`. If nothing follows, 25 is the zone itself.
        var rest = (text.hasPrefix("25") && text.utf8.count > 2 ? text.dropFirst(2) : text).utf8
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let digits = String(rest.prefix(2)), digits.utf8.count == 2, let decoded = UInt8(digits, radix: 16)
            else {
                throw error(url, "the zone of the address is not correctly percent-encoded; write % as %25")
            }
            bytes.append(decoded)
            rest = rest.dropFirst(2)
        }
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw error(url, "the zone of the address must name an interface, as in [fe80::1%25eth0]")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"): true
        default: false
        }
    }

    private static func error(_ url: String, _ what: String) -> WebSocketError {
        // Errors are often logged, so they must not contain secrets.
        WebSocketError(.invalidRequest, "invalid WebSocket URL \(withoutSecrets(url).debugDescription): \(what)")
    }

    /// Returns the text without user, password and the values of secret parameters.
    private static func withoutSecrets(_ url: String) -> String {
        var url = url
        // The text may not be a URL at all, so everything before the last @ is treated as secret.
        let path = url.firstIndex { $0 == "?" } ?? url.endIndex
        if let end = url[..<path].lastIndex(of: "@") {
            let scheme = url[..<end].indices.first { url[$0...].hasPrefix("://") }
            let start = scheme.map { url.index($0, offsetBy: 3) } ?? url.startIndex
            url.replaceSubrange(start..<end, with: SecretText.mark)
        }
        return SecretText.redacted(url)
    }
}

extension WebSocketURL: CustomStringConvertible {
    public var description: String {
        let scheme = isSecure ? "wss" : "ws"
        guard let zone else { return "\(scheme)://\(authority)\(path)" }
        return "\(scheme)://[\(host)%25\(WebSocketURL.encoded(zone))]\(authority.dropFirst(host.utf8.count + 2))\(path)"
    }

    /// The host with its zone, if there is one, as the system's resolver expects it.
    package var hostWithZone: String { zone.map { "\(host)%\($0)" } ?? host }

    /// Percent-encodes everything but the unreserved characters of RFC 3986.
    private static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
    }
}
