/// The names of header fields, parameters or members of JSON objects whose values are secrets.
///
/// Only letters and digits are compared, regardless of case: `accessToken`, `access-token` and `ACCESS_TOKEN` are equal. A name that
/// begins with `*` matches all names that end with the rest.
package struct SecretNames: Hashable, Sendable {
    private var whole: Set<[UInt8]> = []
    private var endings: Set<[UInt8]> = []

    package init(_ names: some Sequence<String>) {
        for name in names {
            let folded = SecretNames.folded(name.utf8)
            // A name without letters and digits would match everything.
            guard !folded.isEmpty else { continue }
            if name.hasPrefix("*") { endings.insert(folded) } else { whole.insert(folded) }
        }
    }

    /// The names of secret parameters in a URL's query, by default.
    package static let defaultParameters: Set<String> = [
        "*token", "*secret", "*password", "*passwd", "*passphrase", "*apikey", "*accesskey", "*privatekey",
        "*secretkey", "*signature", "*credential", "*credentials", "*sessionid", "*authorization", "key", "pass", "pwd",
        "pw", "sig", "hmac", "auth", "bearer", "jwt", "sid", "session", "ticket", "otp",
    ]

    /// The names of secret header fields, by default.
    package static let defaultFields: Set<String> = [
        "authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "set-cookie2", "*token", "*secret",
        "*password", "*api-key", "*access-key", "*signature", "*authorization", "*credential", "*credentials",
        "*session-id", "authentication-info", "proxy-authentication-info",
    ]

    /// ``defaultParameters``, prepared for comparison.
    package static let parameters = SecretNames(defaultParameters)

    package var isEmpty: Bool { whole.isEmpty && endings.isEmpty }

    /// Whether the value of a name is a secret.
    package func contains(_ name: some Sequence<UInt8>) -> Bool {
        let folded = SecretNames.folded(name)
        guard !folded.isEmpty else { return false }
        return whole.contains(folded)
            || endings.contains { folded.count >= $0.count && folded.suffix($0.count).elementsEqual($0) }
    }

    /// Returns the names of both.
    package func union(_ other: SecretNames) -> SecretNames {
        var both = self
        both.whole.formUnion(other.whole)
        both.endings.formUnion(other.endings)
        return both
    }

    /// Returns a name's letters and digits, in lower case.
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
