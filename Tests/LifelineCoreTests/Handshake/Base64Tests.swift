import Testing

@testable import LifelineCore

@Suite("RFC 4648 §4 base64")
struct Base64Tests {
    @Test(
        "§10 the test vectors are encoded and decoded",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func vectors(_ text: String, _ encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        if !text.isEmpty { #expect(Base64.decodedCount(of: encoded) == text.utf8.count) }
    }

    @Test("§4 the alphabet is complete and in order")
    func alphabet() {
        // Groups of three bytes that hold the sextets 0, 1, 2, … 63.
        let bytes = stride(from: 0, to: 64, by: 4).flatMap { first -> [UInt8] in
            let bits = (0..<4).reduce(0) { $0 << 6 | (first + $1) }
            return [UInt8(bits >> 16), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)]
        }
        #expect(Base64.encode(bytes) == "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    }

    @Test("§4 bytes with the highest bit set round-trip")
    func highBytes() {
        #expect(Base64.encode([0xFF, 0xFF, 0xFF]) == "////")
        #expect(Base64.encode([0xFB, 0xEF, 0xBE]) == "++++")
        #expect(Base64.encode([0x00]) == "AA==")
    }

    @Test("§4 the decoded length is correct for every encoded length")
    func decodedCount() {
        for count in 1...100 {
            let encoded = Base64.encode(Array(repeating: 0xA5, count: count))
            #expect(Base64.decodedCount(of: encoded) == count)
        }
    }

    @Test(
        "§3.2, §3.3 malformed or unpadded base64 is rejected",
        arguments: [
            "", "Z", "Zg", "Zg=", "Zg===", "====", "=", "Z===", "Zm=v", "=Zg=", "Zm9v Zm9v", "Zm9v\n", "Zm-_", "Zm9é",
            "Zm9v====",
        ] as [EscapedText])
    func malformed(_ text: EscapedText) {
        #expect(Base64.decodedCount(of: text.text) == nil)
    }

    @Test("§3.5 trailing bits may be set, as existing clients do")
    func trailingBits() {
        #expect(Base64.decodedCount(of: "Zh==") == 1)
        #expect(Base64.decodedCount(of: "Zm9=") == 2)
    }
}
