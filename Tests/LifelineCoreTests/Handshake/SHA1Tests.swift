import Testing

@testable import LifelineCore

@Suite("RFC 3174 SHA-1")
struct SHA1Tests {
    private static let publishedVectors: [(message: String, repeated: Int, digest: String)] = [
        ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
        ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        (
            "0123456701234567012345670123456701234567012345670123456701234567", 10,
            "dea356a2cddd90c7a7ecedc5ebb563934f460452"
        ),
        ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ]

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    @Test("§7.3 the test vectors give their digests", arguments: publishedVectors.indices)
    func vectors(_ index: Int) {
        let vector = Self.publishedVectors[index]
        // A million bytes are too many for a build without optimisation.
        let scale = vector.repeated > 1000 ? TestScale.rounds(debug: 0, release: 1) : 1
        guard scale > 0 else { return }
        let message = Array(repeating: Array(vector.message.utf8), count: vector.repeated).flatMap { $0 }
        #expect(hexadecimal(SHA1.digest(of: message)) == vector.digest)
    }

    /// Digests of that many letters a, from another implementation: where the padding begins a block of its own is where
    /// implementations err.
    @Test(
        "§4 messages near the end of a block are padded correctly",
        arguments: [
            (1, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
            (54, "b05d71c64979cb95fa74a33cdb31a40d258ae02e"),
            (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (57, "f08f24908d682555111be7ff6f004e78283d989a"),
            (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
            (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
            (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
            (119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"),
            (120, "f34c1488385346a55709ba056ddd08280dd4c6d6"),
            (121, "fa6b5a6f8ac27182f838fe7841ec6d2aef3ade29"),
            (127, "89d95fa32ed44a7c610b7ee38517ddf57e0bb975"),
            (128, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"),
        ])
    func padding(_ count: Int, _ digest: String) {
        #expect(hexadecimal(SHA1.digest(of: Array(repeating: 0x61, count: count))) == digest)
    }
}
