/// A WebSocket's URL ([RFC 6455 §3](https://www.rfc-editor.org/rfc/rfc6455#section-3)), in its parts.
public struct WebSocketURL: Hashable, Sendable {
    /// Whether the scheme is `wss`.
    public let isSecure: Bool
    /// The host: a name or an address, that of IPv6 without its brackets and its zone.
    public let host: String
    /// The zone of a link-local IPv6 address, which says at which interface of this machine it is: `eth0` in
    /// `ws://[fe80::1%25eth0]/` ([RFC 6874](https://www.rfc-editor.org/rfc/rfc6874)). A `%` that is not written `%25` is
    /// understood too.
    public let zone: String?
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
        (host, zone, port) = try WebSocketURL.split(authority, defaultPort: isSecure ? 443 : 80, of: text)
        let target = rest[authority.endIndex...]
        path = target.hasPrefix("/") ? String(target) : "/" + target
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw WebSocketURL.error(text, "the path holds a space or a character outside ASCII; percent-encode it")
        }
    }

    /// The host and, where it is not the scheme's own, the port: the Host field's value. It has no zone, which means nothing to
    /// the other side (RFC 6874 §4).
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
            guard let end = authority.firstIndex(of: "]") else { throw error(url, "the address lacks its ]") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            if let percent = host.firstIndex(of: "%") {
                zone = try WebSocketURL.zone(host[percent...].dropFirst(), of: url)
                host = host[..<percent]
            }
            guard host.contains(":"), IPAddressBytes.bytes(of: host) != nil else {
                throw error(url, "only an IPv6 address stands in brackets")
            }
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
        guard let portText, !portText.isEmpty else { return (String(host), zone, defaultPort) }
        guard let port = Int(portText), (1...65535).contains(port), portText.utf8.allSatisfy({ $0 >= 0x30 }) else {
            throw error(url, "the port must be a number from 1 to 65535")
        }
        return (String(host), zone, port)
    }

    /// The zone behind the first `%` of an address, percent-decoded.
    private static func zone(_ text: Substring, of url: String) throws(WebSocketError) -> String {
        // `%25` is how a URL writes the `%` in front of the zone; without one behind it, 25 is the zone itself.
        var rest = (text.hasPrefix("25") && text.utf8.count > 2 ? text.dropFirst(2) : text).utf8
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let digits = String(rest.prefix(2)), digits.utf8.count == 2, let decoded = UInt8(digits, radix: 16)
            else {
                throw error(url, "the zone behind the address is not percent-encoded; write % as %25")
            }
            bytes.append(decoded)
            rest = rest.dropFirst(2)
        }
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw error(url, "the zone behind the address must name an interface, as in [fe80::1%25eth0]")
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
        // Who reads the error, a log most likely, need not know the password.
        WebSocketError(.invalidRequest, "not a WebSocket URL: \(withoutSecrets(url).debugDescription): \(what)")
    }

    /// The text as it may be shown: without user, password and the values of secret parameters.
    private static func withoutSecrets(_ url: String) -> String {
        var url = url
        // Also where it is no URL, so that nobody knows what stands before the host.
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

    /// What names the host to the system: with the zone, where there is one.
    package var hostWithZone: String { zone.map { "\(host)%\($0)" } ?? host }

    /// Text in which everything but the unreserved characters of RFC 3986 is percent-encoded.
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
