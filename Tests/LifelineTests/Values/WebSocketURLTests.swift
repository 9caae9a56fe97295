import Lifeline
import Testing

@Suite("§3 WebSocket URLs") struct WebSocketURLTests {
    @Test(
        "RFC 6874 a zone is read, left out of Host, and written again",
        arguments: [
            ("ws://[fe80::1%25eth0]/", "eth0"), ("ws://[fe80::1%25eth0]:81/a?b", "eth0"),
            ("wss://[fe80::1%eth0]/", "eth0"),
            ("ws://[fe80::1%25]/", "25"), ("ws://[fe80::1%2525]/", "25"), ("ws://[fe80::1%1]:8080", "1"),
            ("ws://[fe80::1%25a%2Fb%25]/", "a/b%"), ("ws://[fe80::1]/", nil), ("ws://example.org/", nil),
        ])
    func zone(_ text: String, _ zone: String?) throws {
        let url = try WebSocketURL(text)
        #expect(url.zone == zone)
        #expect(url.host == (zone == nil && text.contains("example") ? "example.org" : "fe80::1"))
        #expect(!url.authority.contains("%"))
        #expect(url.hostWithZone == (zone.map { "fe80::1%" + $0 } ?? url.host))
        #expect(try WebSocketURL("\(url)") == url)
    }

    @Test(
        "RFC 6874 a zone that is invalid is refused",
        arguments: [
            "ws://[fe80::1%]/", "ws://[fe80::1%25%2]/", "ws://[fe80::1%25%00]/", "ws://[fe80::1%25%zz]/",
            "ws://[%25eth0]/", "ws://[1.2.3.4]/", "ws://[example.org]/", "ws://[::1::]/", "ws://[1:2]/",
        ])
    func noZone(_ text: String) {
        let error = #expect(throws: WebSocketError.self) { try WebSocketURL(text) }
        #expect(error?.code == .invalidRequest)
    }
}
