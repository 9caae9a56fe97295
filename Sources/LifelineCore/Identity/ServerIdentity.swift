/// The server that a client wants to reach, and whether a certificate names it
/// ([RFC 9525](https://www.rfc-editor.org/rfc/rfc9525)).
package enum ServerIdentity: Hashable, Sendable {
    /// A host name (a DNS-ID): its labels in lower case, without a dot at the end.
    case name([[UInt8]])
    /// An IP address (an IP-ID).
    case address([UInt8])
    /// A host that no certificate can name.
    case unnameable

    /// A name in a certificate's list of alternative names (subjectAltName). Other names, such as the common name, are ignored
    /// (RFC 9525 §2).
    package enum CertificateName: Hashable, Sendable {
        case name([UInt8])
        case address([UInt8])
    }

    /// Creates the identity of a URL's host.
    ///
    /// - Parameter host: A name in its ASCII form (A-labels), or an address; an IPv6 address without brackets.
    package init(host: String) {
        if let address = IPAddressBytes.bytes(of: host) {
            self = .address(address)
            return
        }
        var host = Array(host.utf8)
        if host.last == UInt8(ascii: ".") { host.removeLast() }
        let labels = ServerIdentity.labels(host)
        // A name that ends in a number is an address to some readers (https://url.spec.whatwg.org/#ends-in-a-number-checker), and not a
        // host name (RFC 1123 §2.1).
        guard let labels, let last = labels.last, !ServerIdentity.isNumber(last) else {
            self = .unnameable
            return
        }
        self = .name(labels)
    }

    /// Whether a certificate with these names is valid for this host. Names are compared with names, and addresses with addresses.
    ///
    /// - Names match if all labels are equal, apart from the case of ASCII letters (§6.3).
    /// - `*` as the whole left-most label matches exactly one label. A name with a `*` anywhere else matches nothing.
    /// - Addresses match if all bytes are equal (§6.4).
    package func isNamed(by names: some Sequence<CertificateName>) -> Bool {
        names.contains { name in
            switch (self, name) {
            case (.name(let host), .name(let presented)): ServerIdentity.isSame(host, presented)
            case (.address(let host), .address(let presented)): host == presented
            default: false
            }
        }
    }

    private static func isSame(_ host: [[UInt8]], _ presented: [UInt8]) -> Bool {
        let isWildcard = presented.starts(with: Array("*.".utf8))
        guard let labels = labels(isWildcard ? Array(presented.dropFirst(2)) : presented) else { return false }
        return labels.elementsEqual(isWildcard ? host[1...] : host[...])
    }

    /// Returns the labels of a name in lower case; `nil` if it is not a name (RFC 1034 §3.1; underscores are allowed, because some hosts
    /// have them).
    private static func labels(_ name: [UInt8]) -> [[UInt8]]? {
        guard (1...253).contains(name.count) else { return nil }
        let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.allSatisfy({ (1...63).contains($0.count) && $0.allSatisfy(isLabelCharacter) }) else { return nil }
        return labels.map { $0.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } }
    }

    private static func isLabelCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func isNumber(_ label: [UInt8]) -> Bool {
        if label.starts(with: Array("0x".utf8)) {
            return label.dropFirst(2).allSatisfy { IPAddressBytes.hexadecimalDigit($0) != nil }
        }
        return label.allSatisfy { (0x30...0x39).contains($0) }
    }
}
