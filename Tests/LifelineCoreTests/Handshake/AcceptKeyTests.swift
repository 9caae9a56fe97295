import Testing

@testable import LifelineCore

@Suite("§1.3 Sec-WebSocket-Key and Sec-WebSocket-Accept")
struct AcceptKeyTests {
    @Test("§1.3 the RFC's example key gives the RFC's accept value")
    func example() {
        #expect(AcceptKey.answering(HandshakeText.exampleKey) == HandshakeText.exampleAccept)
    }

    /// From RFC 6455's own text of §4.1 and from the examples of other implementations.
    @Test(
        "§4.2.2 item 5.4: other keys give their known accept values",
        arguments: [
            ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
            ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ])
    func examples(_ key: String, _ accept: String) {
        #expect(AcceptKey.answering(key) == accept)
    }

    @Test("§4.1 item 7: the nonce is sixteen fresh bytes in base64")
    func nonce() {
        var random = RandomPool(seed: 7)
        var seen: Set<String> = []
        for _ in 0..<200 {
            let nonce = AcceptKey.nonce(&random)
            #expect(nonce.utf8.count == 24)
            #expect(Base64.decodedCount(of: nonce) == 16)
            seen.insert(nonce)
        }
        #expect(seen.count == 200)
    }

    @Test("§4.1 item 7: every bit of the nonce is random")
    func nonceBits() {
        var random = RandomPool(seed: 7)
        // Each sextet of each place takes all its values, but in the last character, which holds two bits.
        var seen = Array(repeating: Set<Character>(), count: 22)
        for _ in 0..<2000 {
            for (place, character) in AcceptKey.nonce(&random).prefix(22).enumerated() { seen[place].insert(character) }
        }
        #expect(seen.prefix(21).allSatisfy { $0.count == 64 })
        #expect(seen[21].count == 4)
    }
}
