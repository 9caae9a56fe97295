/// Redacts secrets in URLs, and in prose about them, such as error messages and log lines.
///
/// Prose may quote parts of JSON, with unbalanced quotation marks. So this type tries every quotation mark as the beginning of a
/// member's name. Payloads, which are JSON as a whole and may come in fragments, are redacted by `MemberRedactor` in LifelineTrace.
package enum SecretText {
    /// The text that replaces a secret.
    package static let mark = "[redacted]"

    /// Returns a request's target without the values of secret parameters. Names and values may be percent-encoded, and a value may itself
    /// be a URL.
    package static func redacted(target: String, _ names: SecretNames = .parameters) -> String {
        redacted(target, names, isTarget: true, depth: 0)
    }

    /// Returns prose without secrets: those in URLs (`user:password@`, `?token=…`), in parameters, in members of JSON, after `Bearer` and
    /// `Basic`, and JSON Web Tokens.
    package static func redacted(_ text: String, _ names: SecretNames = .parameters) -> String {
        redacted(text, names, isTarget: false, depth: 0)
    }

    /// Returns a list of subprotocols without secrets. Scripts in browsers send tokens there, because they can set no other field.
    package static func redacted(subprotocols: String, _ names: SecretNames = .parameters) -> String {
        var followsTokenName = false
        let members = subprotocols.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        let parts = members.map { part -> String in
            let bytes = Array(part)
            let space = bytes.prefix(while: isSpace)
            let member = bytes.dropFirst(space.count)
            guard followsTokenName || isToken(member, names) else {
                followsTokenName = isTokenName(member, names)
                return String(decoding: bytes, as: UTF8.self)
            }
            followsTokenName = false
            return String(decoding: space, as: UTF8.self) + mark
        }
        return parts.joined(separator: ",")
    }

    // MARK: Subprotocols

    /// Whether a subprotocol announces that the next one is a secret.
    private static func isTokenName(_ member: ArraySlice<UInt8>, _ names: SecretNames) -> Bool {
        let member = trimmed(member)
        return names.contains(member) || ["basic", "authorization"].contains { isEqual(member, $0) }
    }

    /// Whether a subprotocol is a secret: it has a known form, or is too long and too irregular for a name.
    private static func isToken(_ member: ArraySlice<UInt8>, _ names: SecretNames) -> Bool {
        let member = trimmed(member)
        if isWebToken(member) { return true }
        // `base64url.bearer.authorization.k8s.io.TOKEN`, `bearer.TOKEN`, `access_token-TOKEN`
        let parts = member.split(whereSeparator: { ".-_=|~:".utf8.contains($0) })
        for end in parts.indices.dropLast() {
            let head = parts[0].startIndex..<parts[end].endIndex
            if names.contains(member[head]) || names.contains(parts[end]) { return true }
        }
        let long = member.split(whereSeparator: { ".:/".utf8.contains($0) })
        return long.contains { part in
            part.count >= 32 && part.contains { (0x30...0x39).contains($0) }
                && part.contains { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
        }
    }

    // MARK: Text

    private static func redacted(_ text: String, _ names: SecretNames, isTarget: Bool, depth: Int) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if let (start, end) = userInformation(bytes, at: index, needsSlashes: isTarget) {
                result += bytes[index..<start] + Array(mark.utf8)
                index = end
                continue
            }
            if let (start, end, backslashes) = memberValue(bytes, at: index, names) {
                let quote = String(repeating: "\\", count: backslashes) + "\""
                result += bytes[index..<start] + Array((quote + mark + quote).utf8)
                index = end
                continue
            }
            let word = bytes[index...].prefix { isTarget ? !isTargetDelimiter($0) : isWordCharacter($0) }
            guard !word.isEmpty else {
                result.append(bytes[index])
                index += 1
                continue
            }
            index = word.endIndex
            guard index == bytes.count || bytes[index] != UInt8(ascii: "=") else {
                let value = bytes[(index + 1)...].prefix { isTarget ? $0 != UInt8(ascii: "&") : isValueCharacter($0) }
                // `?token=…` in a help text is a placeholder.
                if names.contains(decoded(word)), !value.isEmpty, !value.starts(with: Array("…".utf8)) {
                    result += word + [UInt8(ascii: "=")] + Array(mark.utf8)
                    index = value.endIndex
                } else {
                    result += word
                }
                continue
            }
            if !isTarget, isScheme(word), let end = credentials(bytes, at: index) {
                result += word + [UInt8(ascii: " ")] + Array(mark.utf8)
                index = end
                continue
            }
            result += isWebToken(word) || hidesSecret(word, names, depth) ? Array(mark.utf8)[...] : word
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Returns the range of the user information that follows the colon at `index`: `://user:password@` or, without slashes,
    /// `:password@`.
    private static func userInformation(_ bytes: [UInt8], at index: Int, needsSlashes: Bool) -> (start: Int, end: Int)?
    {
        guard bytes[index] == UInt8(ascii: ":") else { return nil }
        let hasSlashes = bytes[index...].starts(with: Array("://".utf8))
        guard hasSlashes || !needsSlashes else { return nil }
        let start = index + (hasSlashes ? 3 : 1)
        let authority = bytes[start...].prefix { byte in byte > 0x20 && !"/?#\"'<>\\".utf8.contains(byte) }
        guard let end = authority.lastIndex(of: UInt8(ascii: "@")), end > start else { return nil }
        return (start, end)
    }

    /// Finds the value of a secret JSON member whose name starts at the quotation mark at `index`. Also finds JSON inside a string, where
    /// backslashes precede the quotation marks. Treats an object or an array as a value that extends to the end of the text.
    ///
    /// - Returns: Where the value starts and ends, and how many backslashes precede the quotation marks.
    private static func memberValue(
        _ bytes: [UInt8], at index: Int, _ names: SecretNames
    ) -> (start: Int, end: Int, backslashes: Int)? {
        let quote = UInt8(ascii: "\"")
        let backslash = UInt8(ascii: "\\")
        guard bytes[index] == quote else { return nil }
        let name = bytes[(index + 1)...].prefix(512).prefix { $0 != quote && $0 != backslash }
        guard !name.isEmpty else { return nil }
        let backslashes = bytes[name.endIndex...].prefix { $0 == backslash }.count
        var rest = bytes[(name.endIndex + backslashes)...]
        guard rest.first == quote, names.contains(name) else { return nil }
        rest = rest.dropFirst().drop(while: isSpace)
        guard rest.first == UInt8(ascii: ":") else { return nil }
        rest = rest.dropFirst().drop(while: isSpace)
        let start = rest.startIndex
        rest = rest.drop { $0 == backslash }
        guard let first = rest.first else { return nil }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") { return (start, bytes.endIndex, backslashes) }
        guard first == quote else {
            return (start, rest.firstIndex { isSpace($0) || ",}]&".utf8.contains($0) } ?? bytes.endIndex, backslashes)
        }
        var before = 0
        for position in rest.indices.dropFirst() {
            if bytes[position] == quote, before <= backslashes { return (start, position + 1, backslashes) }
            before = bytes[position] == backslash ? before + 1 : 0
        }
        return (start, bytes.endIndex, backslashes)
    }

    /// Returns the end of the credentials that follow `Bearer` or `Basic`; `nil` if no credentials follow.
    private static func credentials(_ bytes: [UInt8], at index: Int) -> Int? {
        let space = bytes[index...].prefix(while: isSpace)
        let token = bytes[space.endIndex...].prefix { isWordCharacter($0) || "~+/=".utf8.contains($0) }
        // "Basic authentication" is not a secret.
        let isWord = token.dropFirst().allSatisfy { (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "]") }
        return !space.isEmpty && token.count >= 8 && !isWord ? token.endIndex : nil
    }

    private static func isScheme(_ word: ArraySlice<UInt8>) -> Bool {
        isEqual(word, "bearer") || isEqual(word, "basic")
    }

    /// Whether percent-encoded text contains a secret, such as a URL in a parameter of another URL.
    private static func hidesSecret(_ word: ArraySlice<UInt8>, _ names: SecretNames, _ depth: Int) -> Bool {
        guard depth < 4, word.contains(UInt8(ascii: "%")) else { return false }
        let decoded = percentDecoded(word)
        guard decoded.count < word.count else { return false }
        let text = String(decoding: decoded, as: UTF8.self)
        return redacted(text, names, isTarget: false, depth: depth + 1) != text
    }

    /// Returns a name without its percent-encoding, even if it was encoded several times.
    private static func decoded(_ name: ArraySlice<UInt8>) -> [UInt8] {
        var name = Array(name)
        for _ in 0..<4 where name.contains(UInt8(ascii: "%")) { name = percentDecoded(name[...]) }
        return name
    }

    /// Decodes percent-encoding once. Malformed encodings remain.
    package static func percentDecoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = text
        while let byte = rest.first {
            let digits = rest.dropFirst().prefix(2).compactMap { IPAddressBytes.hexadecimalDigit($0) }
            if byte == UInt8(ascii: "%"), digits.count == 2 {
                decoded.append(digits[0] << 4 | digits[1])
                rest = rest.dropFirst(3)
            } else {
                decoded.append(byte)
                rest = rest.dropFirst()
            }
        }
        return decoded
    }

    /// Whether a word is a JSON Web Token (RFC 7519), which begins with an object in base64url.
    private static func isWebToken(_ word: ArraySlice<UInt8>) -> Bool {
        word.starts(with: Array("eyJ".utf8)) && word.count >= 20 && word.count { $0 == UInt8(ascii: ".") } >= 2
    }

    // MARK: Characters

    private static func isTargetDelimiter(_ byte: UInt8) -> Bool { "/?#&;=:\"".utf8.contains(byte) }

    private static func isWordCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x80...: true
        default: "_-.%[]$+".utf8.contains(byte)
        }
    }

    private static func isValueCharacter(_ byte: UInt8) -> Bool { byte > 0x20 && !"&\"'<>".utf8.contains(byte) }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = text.drop(while: isSpace)
        while let last = text.last, isSpace(last) { text.removeLast() }
        return text
    }

    private static func isEqual(_ word: ArraySlice<UInt8>, _ lowercased: String) -> Bool {
        word.count == lowercased.utf8.count && zip(word, lowercased.utf8).allSatisfy { $0 | 0x20 == $1 }
    }
}
