/// Names whose values are secrets: of header fields, of parameters, of members of JSON objects.
///
/// They are compared as they are meant, however a program writes them: `accessToken`, `access-token` and `ACCESS_TOKEN` are one. A
/// name that begins with `*` stands for all that end so.
package struct SecretNames: Hashable, Sendable {
    private var whole: Set<[UInt8]> = []
    private var endings: Set<[UInt8]> = []

    package init(_ names: some Sequence<String>) {
        for name in names {
            let folded = SecretNames.folded(name.utf8)
            // A name of nothing but punctuation would be that of everything.
            guard !folded.isEmpty else { continue }
            if name.hasPrefix("*") { endings.insert(folded) } else { whole.insert(folded) }
        }
    }

    /// The parameters of a URL's query whose values are secrets, unless somebody says otherwise.
    package static let defaultParameters: Set<String> = [
        "*token", "*secret", "*password", "*passwd", "*passphrase", "*apikey", "*accesskey", "*privatekey",
        "*secretkey", "*signature", "*credential", "*credentials", "*sessionid", "*authorization", "key", "pass", "pwd",
        "pw", "sig", "hmac", "auth", "bearer", "jwt", "sid", "session", "ticket", "otp",
    ]

    /// The header fields whose values are secrets, unless somebody says otherwise.
    package static let defaultFields: Set<String> = [
        "authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "set-cookie2", "*token", "*secret",
        "*password", "*api-key", "*access-key", "*signature", "*authorization", "*credential", "*credentials",
        "*session-id", "authentication-info", "proxy-authentication-info",
    ]

    /// The parameters' names, ready for use.
    package static let parameters = SecretNames(defaultParameters)

    package var isEmpty: Bool { whole.isEmpty && endings.isEmpty }

    /// Whether a name's value is a secret.
    package func contains(_ name: some Sequence<UInt8>) -> Bool {
        let folded = SecretNames.folded(name)
        guard !folded.isEmpty else { return false }
        return whole.contains(folded)
            || endings.contains { folded.count >= $0.count && folded.suffix($0.count).elementsEqual($0) }
    }

    /// Both together.
    package func union(_ other: SecretNames) -> SecretNames {
        var both = self
        both.whole.formUnion(other.whole)
        both.endings.formUnion(other.endings)
        return both
    }

    /// A name's letters and digits, in lower case.
    private static func folded(_ name: some Sequence<UInt8>) -> [UInt8] {
        var folded: [UInt8] = []
        for byte in name {
            switch byte {
            case 0x41...0x5A: folded.append(byte | 0x20)
            case 0x30...0x39, 0x61...0x7A, 0x80...: folded.append(byte)
            default: break
            }
        }
        return folded
    }
}
