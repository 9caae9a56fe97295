import Testing

@testable import LifelineCore

/// Whom a certificate names: RFC 9525.
@Suite("RFC 9525 names in certificates") struct ServerIdentityTests {
    private static func isNamed(_ host: String, names: [String] = [], addresses: [[UInt8]] = []) -> Bool {
        ServerIdentity(host: host).isNamed(
            by: names.map { .name(Array($0.utf8)) } + addresses.map { ServerIdentity.CertificateName.address($0) })
    }

    @Test(
        "RFC 9525 §6.3 names match if all labels match, ignoring case",
        arguments: [
            ("example.org", "example.org"), ("EXAMPLE.org", "example.ORG"), ("example.org.", "example.org"),
            ("localhost", "localhost"), ("xn--bcher-kva.example", "XN--bcher-kva.example"),
            ("a_b.example.org", "a_b.example.org"), ("1.example", "1.example"),
        ])
    func sameName(host: String, presented: String) {
        #expect(Self.isNamed(host, names: ["other.example", presented]))
    }

    @Test(
        "RFC 9525 §6.3 names with different labels do not match",
        arguments: [
            ("example.org", "example.com"), ("example.org", "www.example.org"), ("www.example.org", "example.org"),
            ("example.org", "xexample.org"), ("example.org", "example.org.evil.example"), ("example.org", ""),
            ("example.org", "."), ("example.org", ".example.org"), ("example.org", "example..org"),
            ("example.org", "example.org."), ("example.org", "example.org\0"), ("example.org", "example.org\0.evil"),
            ("example.org", " example.org"), ("localhost", "localhos"), ("bücher.example", "bücher.example"),
            ("", ""), (".", "."), ("example.org..", "example.org"), ("exa%6Dple.org", "example.org"),
            ("\u{212A}elvin.example", "kelvin.example"),
        ])
    func otherName(host: String, presented: String) {
        #expect(!Self.isNamed(host, names: [presented]))
    }

    @Test("RFC 9525 §6.3 a wildcard matches exactly one label, the left-most")
    func wildcard() {
        for host in ["a.example.org", "A.EXAMPLE.ORG", "xn--bcher-kva.example.org", "a-b.example.org."] {
            #expect(Self.isNamed(host, names: ["*.example.org"]), "\(host)")
            #expect(Self.isNamed(host, names: ["*.EXAMPLE.org"]), "\(host)")
        }
        for host in ["example.org", "a.b.example.org", ".example.org", "a.example.com", "*.example.org", "org"] {
            #expect(!Self.isNamed(host, names: ["*.example.org"]), "\(host)")
        }
    }

    @Test(
        "RFC 9525 §6.3 a wildcard that is not the whole left-most label matches nothing",
        arguments: [
            "*", "*.", "*a.example.org", "a*.example.org", "f*o.example.org", "*foo.example.org", "foo*.example.org",
            "foo.*.org", "foo.example.*", "*.*.org", "*.*", "xn--*.example.org", "**.example.org", "*.example.org.",
        ], ["foo.example.org", "foo", "example.org", "xn--foo.example.org", "localhost"])
    func partialWildcard(presented: String, host: String) {
        #expect(!Self.isNamed(host, names: [presented]), "\(host)")
    }

    @Test("RFC 9525 §6.4 an address matches only address entries, byte by byte")
    func addresses() {
        let (v4, v6): ([UInt8], [UInt8]) = ([127, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1])
        #expect(Self.isNamed("127.0.0.1", addresses: [[10, 0, 0, 1], v4]))
        for host in ["::1", "0:0:0:0:0:0:0:1", "::0.0.0.1", "::1%lo", "::1%25lo"] {
            #expect(Self.isNamed(host, addresses: [v6]), "\(host)")
        }
        #expect(!Self.isNamed("127.0.0.1", names: ["127.0.0.1", "*.0.0.1"], addresses: [[127, 0, 0, 2]]))
        #expect(!Self.isNamed("127.0.0.1", addresses: [[], [127], [127, 0, 0, 1, 255, 255, 255, 255]]))
        #expect(!Self.isNamed("::1", names: ["::1"], addresses: [v4]))
        // The same host, and other bytes.
        let mapped = [UInt8](repeating: 0, count: 10) + [255, 255] + v4
        #expect(!Self.isNamed("127.0.0.1", addresses: [mapped]))
        #expect(!Self.isNamed("::ffff:127.0.0.1", addresses: [v4]))
        #expect(Self.isNamed("::ffff:127.0.0.1", addresses: [mapped]))
    }

    @Test("RFC 9525 §6.2 a name matches only DNS names")
    func nameIsNoAddress() {
        #expect(!Self.isNamed("localhost", addresses: [[127, 0, 0, 1]]))
        #expect(!Self.isNamed("localhost"))
        #expect(!Self.isNamed("127.0.0.1"))
    }

    @Test(
        "A host that some parsers read as an address matches no entry",
        arguments: ["127.1", "2130706433", "0x7f000001", "127.0.0.01", "127.0.0.256", "1.2.3.4.5", "a.1", "a.0x1"])
    func numbers(host: String) {
        #expect(!Self.isNamed(host, names: [host, "*.1", "*"], addresses: [[127, 0, 0, 1]]))
    }

    @Test(
        "RFC 4291 §2.2 valid addresses are parsed",
        arguments: [
            ("::", [UInt8](repeating: 0, count: 16)), ("1::", [0, 1] + [UInt8](repeating: 0, count: 14)),
            ("2001:db8::7", [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 10) + [0, 7]),
            ("1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
            ("1:2:3:4:5:6:7::", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0]),
            ("0.0.0.0", [0, 0, 0, 0]), ("255.255.255.255", [255, 255, 255, 255]),
        ] as [(String, [UInt8])])
    func readAddress(text: String, bytes: [UInt8]) {
        #expect(IPAddressBytes.bytes(of: text) == bytes)
        #expect(IPAddressBytes.bytes(of: IPAddressBytes.text(of: bytes)) == bytes)
    }

    @Test(
        "RFC 4291 §2.2 malformed addresses are rejected",
        arguments: [
            "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1::", "1::2::3", "12345::", "g::",
            "1:2:3:4::5:6:7:8",
            ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1.2.3", "1.2.3.4.", "1..2.3", "::1.2.3", "1.2.3.4::", "[::1]", "::1%",
            "1.2.3.4%lo", " 1.2.3.4", "1.2.3.4 ", "１.2.3.4",
        ])
    func noAddress(text: String) {
        #expect(IPAddressBytes.bytes(of: text) == nil)
    }

    @Test("RFC 5952 addresses have one textual form")
    func writtenAddress() {
        #expect(
            IPAddressBytes.text(of: [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]) == "2001:db8::1:0:0:1"
        )
        #expect(IPAddressBytes.text(of: [UInt8](repeating: 0, count: 15) + [1]) == "::1")
        #expect(IPAddressBytes.text(of: [0, 1, 0, 0, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]) == "1:0:3:4:5:6:7:8")
        #expect(IPAddressBytes.text(of: [10, 0, 255, 1]) == "10.0.255.1")
        #expect(IPAddressBytes.text(of: [1, 0xAB]) == "0x01ab")
    }
}
