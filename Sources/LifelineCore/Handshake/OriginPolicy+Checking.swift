extension OriginPolicy {
    /// An origin that no browser sends, so that it never matches, and the origin to write in its place.
    public struct InvalidOrigin: Error, Hashable, Sendable, CustomStringConvertible {
        /// The origin.
        public let origin: String
        /// What is wrong with it.
        public let reason: String
        /// What browsers send in its place; `nil` if that is unknown.
        public let suggestion: String?

        public var description: String {
            "\(String(origin.prefix(200)).debugDescription) never matches the Origin of a page: \(reason)"
                + (suggestion.map { "; write \($0)" } ?? "")
        }
    }

    /// Checks that browsers write a page's origin in this way
    /// ([RFC 6454 §6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)): `https://example.org`, `http://localhost:3000`,
    /// `chrome-extension://…`, `file://` and `null`, without a path, and without the scheme's default port.
    ///
    /// - Throws: ``InvalidOrigin`` if they do not.
    public static func check(_ origin: String) throws(InvalidOrigin) {
        let lowercased = origin.lowercased()
        // The origin of sandboxed pages, and of files in some browsers and in others.
        if lowercased == "null" || lowercased == "file://" { return }
        let written = WrittenOrigin(lowercased)
        let canonical = written.canonical
        if canonical == lowercased { return }
        throw InvalidOrigin(origin: origin, reason: written.problem, suggestion: canonical)
    }
}

/// The parts of a text that is meant as an origin.
private struct WrittenOrigin {
    private let text: String
    /// `nil` if there is none.
    private let scheme: Substring?
    private let user: Substring?
    private let host: Substring
    /// Without its colon; `nil` if there is none.
    private let port: Substring?
    /// What follows the authority: a path, a query, a fragment.
    private let tail: Substring

    init(_ text: String) {
        self.text = text
        var rest = text[...]
        if let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") {
            scheme = text[..<colon]
            rest = text[text.index(colon, offsetBy: 3)...]
        } else {
            scheme = nil
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        tail = rest[authority.endIndex...]
        let at = authority.lastIndex(of: "@")
        user = at.map { authority[..<$0] }
        let place = at.map { authority[authority.index(after: $0)...] } ?? authority
        let bracket = place.lastIndex(of: "]")
        let colon = place[(bracket ?? place.startIndex)...].lastIndex(of: ":")
        host = colon.map { place[..<$0] } ?? place
        port = colon.map { place[place.index(after: $0)...] }
    }

    /// Why no browser sends the text.
    var problem: String {
        if text.isEmpty { return "it is empty" }
        if text.contains("*") {
            return "wildcards are not supported; list each origin, or allow all of them (the policy any)"
        }
        guard let scheme else { return "it has no scheme" }
        if !text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            return "it has a space or a character outside ASCII; browsers write international names as xn--…"
        }
        if scheme == "ws" || scheme == "wss" { return "the scheme is that of the page, http or https" }
        if user != nil { return "an origin has no user name" }
        if host.isEmpty { return "it has no host" }
        if tail == "/" { return "an origin does not end with a slash" }
        if !tail.isEmpty { return "an origin has no path" }
        if let port {
            guard let number = Int(port), (1...65_535).contains(number) else {
                return "the port must be a number from 1 to 65535"
            }
            if number == defaultPort { return "browsers leave out the scheme's default port" }
        }
        return "browsers do not write it in this way"
    }

    /// What browsers send in its place; `nil` if that is unknown.
    var canonical: String? {
        guard let scheme = canonicalScheme, let host = canonicalHost else { return nil }
        guard let port, !port.isEmpty else { return "\(scheme)://\(host)" }
        guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port),
            (1...65_535).contains(number)
        else { return nil }
        return number == defaultPort ? "\(scheme)://\(host)" : "\(scheme)://\(host):\(number)"
    }

    private var defaultPort: Int? {
        switch canonicalScheme {
        case "http": 80
        case "https": 443
        default: nil
        }
    }

    private var canonicalScheme: String? {
        switch scheme {
        case nil: return "https"
        case "ws": return "http"
        case "wss": return "https"
        case let scheme?:
            guard let first = scheme.utf8.first, (0x61...0x7A).contains(first),
                scheme.utf8.allSatisfy({ WrittenOrigin.isAlphanumeric($0) || "+-.".utf8.contains($0) })
            else { return nil }
            return String(scheme)
        }
    }

    private var canonicalHost: String? {
        guard !host.isEmpty else { return nil }
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { return nil }
            return IPv6Text(host.dropFirst().dropLast()).map { "[\($0)]" }
        }
        guard host.utf8.allSatisfy({ WrittenOrigin.isAlphanumeric($0) || "-._".utf8.contains($0) }) else { return nil }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        // A name may end with a dot.
        let parts = labels.count > 1 && labels.last == "" ? labels.dropLast() : labels[...]
        guard let last = parts.last, !parts.contains("") else { return nil }
        let isNumber = last.utf8.allSatisfy { (0x30...0x39).contains($0) } || WrittenOrigin.number(last) != nil
        return isNumber ? WrittenOrigin.address(parts) : String(host)
    }

    /// The IPv4 address that browsers read from a host whose last part is a number
    /// (https://url.spec.whatwg.org/#concept-ipv4-parser); `nil` if they reject the host.
    private static func address(_ parts: ArraySlice<Substring>) -> String? {
        let numbers = parts.compactMap { number($0) }
        guard parts.count <= 4, numbers.count == parts.count, let last = numbers.last else { return nil }
        // The last number fills the remaining bytes.
        let rest = 4 - (numbers.count - 1)
        guard last < 1 << (8 * UInt64(rest)), numbers.dropLast().allSatisfy({ $0 < 256 }) else { return nil }
        let bytes = numbers.dropLast() + (0..<rest).reversed().map { last >> (8 * UInt64($0)) & 0xFF }
        return bytes.map { "\($0)" }.joined(separator: ".")
    }

    /// The value of one part of an address: hexadecimal after `0x`, octal after `0`, otherwise decimal.
    private static func number(_ text: Substring) -> UInt64? {
        guard text.utf8.allSatisfy({ isAlphanumeric($0) }), !text.isEmpty else { return nil }
        if text.hasPrefix("0x") { return text.count == 2 ? 0 : UInt64(text.dropFirst(2), radix: 16) }
        return text.count > 1 && text.hasPrefix("0") ? UInt64(text.dropFirst(), radix: 8) : UInt64(text)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
    }
}

/// An IPv6 address as browsers write it ([RFC 5952](https://www.rfc-editor.org/rfc/rfc5952#section-4)).
private struct IPv6Text: CustomStringConvertible {
    private let groups: [UInt16]

    init?(_ text: some StringProtocol) {
        let text = String(text)
        var halves: [[UInt16]] = []
        var rest = text[...]
        if let gap = text.indices.first(where: { text[$0...].hasPrefix("::") }) {
            guard let before = IPv6Text.groups(text[..<gap], isLast: false) else { return nil }
            halves.append(before)
            rest = text[text.index(gap, offsetBy: 2)...]
        }
        guard let after = IPv6Text.groups(rest, isLast: true) else { return nil }
        halves.append(after)
        let count = halves.reduce(0) { $0 + $1.count }
        guard halves.count == 2 ? count < 8 : count == 8 else { return nil }
        groups =
            halves.count == 2 ? halves[0] + Array(repeating: 0, count: 8 - count) + halves[1] : halves[0]
    }

    private static func groups(_ text: Substring, isLast: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if part.contains(".") {
                let bytes = part.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
                guard isLast, index == parts.count - 1, bytes.count == 4 else { return nil }
                groups.append(UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
                groups.append(UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
            } else {
                guard (1...4).contains(part.utf8.count), part.first != "+", part.first != "-",
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    var description: String {
        // The longest run of at least two zeros; the first one if several are equally long.
        var (best, run) = (0..<0, 0..<0)
        for (index, group) in groups.enumerated() {
            run = group == 0 ? (run.upperBound == index && !run.isEmpty ? run.lowerBound : index)..<(index + 1) : 0..<0
            if run.count > best.count { best = run }
        }
        func text(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard best.count > 1 else { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}
