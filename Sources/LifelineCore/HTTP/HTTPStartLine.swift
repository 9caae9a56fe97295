/// The first line of an HTTP/1 request ([RFC 9112 §3](https://www.rfc-editor.org/rfc/rfc9112#section-3)).
package struct HTTPRequestLine: Hashable, Sendable {
    /// The method, which is not empty.
    package let method: String
    /// The target as it was sent.
    package let target: String
    /// The version, such as `HTTP/1.1`.
    package let version: String

    /// Splits a line, without its line break, at its two spaces; `nil` if it is not of that form. Checks neither the method nor the
    /// target.
    package init?(_ line: some Collection<UInt8>) {
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty else { return nil }
        method = String(decoding: parts[0], as: UTF8.self)
        target = String(decoding: parts[1], as: UTF8.self)
        version = String(decoding: parts[2], as: UTF8.self)
    }
}

/// The first line of an HTTP/1 response ([RFC 9112 §4](https://www.rfc-editor.org/rfc/rfc9112#section-4)).
package struct HTTPStatusLine: Hashable, Sendable {
    /// The version, such as `HTTP/1.1`.
    package let version: String
    /// The status, 100 to 999.
    package let code: Int
    /// The reason phrase; empty if there is none.
    package let reason: String

    /// Splits a line, without its line break; `nil` if it does not consist of a version, three digits and perhaps a reason.
    package init?(_ line: some Collection<UInt8>) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[1].count == 3, parts[1].allSatisfy(HTTPSyntax.isDigit),
            let code = Int(String(decoding: parts[1], as: UTF8.self)), code >= 100
        else { return nil }
        self.code = code
        version = String(decoding: parts[0], as: UTF8.self)
        reason = parts.count == 3 ? String(decoding: parts[2], as: UTF8.self) : ""
    }
}

/// A field line ([RFC 9112 §5](https://www.rfc-editor.org/rfc/rfc9112#section-5)).
package struct HTTPFieldLine<Bytes: Collection<UInt8>> {
    /// What precedes the colon. Strict readers check that it is a token.
    package let name: Bytes.SubSequence
    /// What follows it, without white space at its ends.
    package let value: Bytes.SubSequence

    /// Splits a line, without its line break, at its first colon; `nil` if it has none.
    package init?(_ line: Bytes) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        name = line[..<colon]
        value = HTTPSyntax.trimmed(line[line.index(after: colon)...])
    }
}
