import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§10.2 origins")
struct OriginPolicyTests {
    @Test(
        "§10.2 a request without Origin passes every policy",
        arguments: [OriginPolicy.sameOrigin, .any, .oneOf(["https://example.org"]), .oneOf([])])
    func noOrigin(policy: OriginPolicy) {
        #expect(policy.allows(origin: nil, authority: "example.org"))
    }

    @Test(
        "§10.2 sameOrigin allows pages of the server's own origin",
        arguments: [
            ("http://example.org", "example.org"), ("https://example.org", "example.org"),
            ("http://example.org:80", "example.org"), ("http://example.org", "example.org:80"),
            ("https://example.org:443", "example.org"), ("https://example.org", "example.org:443"),
            ("http://example.org:8080", "example.org:8080"), ("HTTPS://Example.ORG", "example.org"),
            ("https://example.org", "EXAMPLE.org"), ("http://[::1]:8080", "[::1]:8080"),
            ("http://127.0.0.1", "127.0.0.1"),
        ])
    func sameOrigin(_ origin: String, _ authority: String) {
        #expect(OriginPolicy.sameOrigin.allows(origin: origin, authority: authority))
    }

    @Test(
        "§10.2 sameOrigin refuses pages of other origins",
        arguments: [
            ("https://evil.example", "example.org"), ("https://example.org.evil.example", "example.org"),
            ("https://evil.example.org", "example.org"), ("https://example.org:8443", "example.org"),
            ("https://example.org", "example.org:8443"), ("http://example.org:443", "example.org"),
            ("https://example.org:80", "example.org"), ("null", "example.org"), ("", "example.org"), ("null", "null"),
            ("example.org", "example.org"), ("https://example.org/", "example.org"), ("https://", ""),
            ("https://example.org, https://evil.example", "example.org"),
            ("https://evil.example://example.org", "example.org"),
            ("https://user@example.org", "example.org"), ("file://", "example.org"),
            ("https://example.or", "example.org"),
        ])
    func otherOrigin(_ origin: String, _ authority: String) {
        #expect(!OriginPolicy.sameOrigin.allows(origin: origin, authority: authority))
    }

    @Test("§10.2 without Host, no origin is the same")
    func noAuthority() {
        #expect(!OriginPolicy.sameOrigin.allows(origin: "https://example.org", authority: nil))
    }

    @Test("§10.2 oneOf compares whole origins, ignoring case")
    func oneOf() {
        let policy = OriginPolicy.oneOf(["https://Example.org", "https://app.example.org:8443"])
        #expect(policy.allows(origin: "https://example.org", authority: "other"))
        #expect(policy.allows(origin: "HTTPS://APP.EXAMPLE.ORG:8443", authority: nil))
        #expect(!policy.allows(origin: "http://example.org", authority: "example.org"))
        #expect(!policy.allows(origin: "https://example.org:443", authority: "example.org"))
        #expect(!policy.allows(origin: "https://example.org.evil.example", authority: nil))
        #expect(!policy.allows(origin: "null", authority: nil))
    }

    @Test(
        "RFC 6454 §6.2 what browsers send passes the check",
        arguments: [
            "https://example.org", "http://localhost:3000", "https://Example.org:8443", "http://127.0.0.1",
            "http://[::1]:8080",
            "http://[2001:db8::1:0:0:1]", "chrome-extension://abcdefgh", "file://", "null",
            "https://xn--mnchen-3ya.example",
            "https://a_b.example", "http://1.example",
        ])
    func valid(_ origin: String) {
        #expect(throws: Never.self) { try OriginPolicy.check(origin) }
        let policy = OriginPolicy.oneOf([origin])
        #expect(policy.invalidOrigin == nil && policy.allows(origin: origin.lowercased(), authority: nil))
    }

    @Test(
        "RFC 6454 §6.2 an origin that can never match is rejected with a suggestion",
        arguments: [
            ("https://example.org/", "https://example.org"), ("https://example.org:443", "https://example.org"),
            ("http://example.org:80", "http://example.org"), ("example.org", "https://example.org"),
            ("localhost:3000", "https://localhost:3000"), ("ws://example.org:81", "http://example.org:81"),
            ("wss://example.org:443", "https://example.org"), ("https://example.org/a?b#c", "https://example.org"),
            ("https://me@example.org", "https://example.org"),
            ("https://example.org:08443", "https://example.org:8443"),
            ("https://example.org:", "https://example.org"), ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
            ("http://[2001:DB8:0:0:1:0:0:1]", "http://[2001:db8::1:0:0:1]"),
            ("http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]"),
            ("http://127.1", "http://127.0.0.1"), ("https://1.2.3.010", "https://1.2.3.8"),
            ("https://0x7f000001", "https://127.0.0.1"), ("https://0x10", "https://0.0.0.16"), ("https://a.0x1", nil),
            ("https://a..b", nil), ("https://1.2.3.256", nil), ("https://1.2.3.08", nil), ("https://1.2.3.4.5", nil),
            ("https://99999999999999999999", nil), ("https://*.example.org", nil), ("*", nil), ("", nil),
            ("https://", nil),
            ("https://example.org:65536", nil), ("https://example.org:0", nil), ("https://exämple.org", nil),
            ("https://a b", nil), ("https://a,https://b", nil), ("http://[1:2]", nil), ("http://[::1", nil),
            ("://", nil),
        ] as [(String, String?)])
    func invalid(_ origin: String, _ suggestion: String?) {
        let error = #expect(throws: OriginPolicy.InvalidOrigin.self) { try OriginPolicy.check(origin) }
        #expect(error?.suggestion == suggestion && error?.reason.isEmpty == false)
        #expect(OriginPolicy.oneOf(["https://a.example", origin]).invalidOrigin?.origin == origin)
        if let suggestion { #expect(throws: Never.self) { try OriginPolicy.check(suggestion) } }
    }

    @Test("§10.2 any allows every origin, including null")
    func any() {
        #expect(OriginPolicy.any.allows(origin: "null", authority: "example.org"))
        #expect(OriginPolicy.any.allows(origin: "https://evil.example", authority: nil))
    }

    @Test(
        "§10.2 a refused origin gets 403, and an allowed one does not",
        arguments: [
            (["Origin: https://evil.example"], false), (["Origin: https://server.example.com"], true), ([], true),
            (["Origin: https://server.example.com", "Origin: https://evil.example"], false),
        ])
    func refused(fields: [String], isAllowed: Bool) throws {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        var text = HandshakeText.request
        text.fields += fields
        server.receive(text.bytes)
        let handshake = try ServerHandshake(try #require(server.request))
        do throws(HandshakeRefusal) {
            try handshake.check(.sameOrigin)
            #expect(isAllowed)
        } catch {
            #expect(!isAllowed)
            #expect(error.status == .forbidden && error.reason == .origin)
        }
    }

    @Test("§10.2 a pathological origin takes linear time", .timeLimit(.minutes(1)))
    func pathological() {
        let origin = String(repeating: ":/", count: 50_000)
        #expect(!OriginPolicy.sameOrigin.allows(origin: origin, authority: "example.org"))
    }
}
