import LifelineCore

/// Content for messages that are compressed: what compresses well, badly, and not at all.
enum DeflateSample: String, CaseIterable, Sendable {
    case json, text, zeros, random

    /// The kind of message that it makes.
    var isText: Bool { self == .json || self == .text }

    /// That many bytes; of text perhaps a few less, so that no character is cut in two.
    func bytes(_ count: Int) -> [UInt8] {
        switch self {
        case .json: Array(DeflateSample.longJSON.prefix(count))
        case .text:
            Array(
                DeflateSample.longText.prefix(count).dropLast(
                    count < DeflateSample.longText.count ? DeflateSample.cut(at: count) : 0))
        case .zeros: Array(repeating: 0, count: count)
        case .random: Array(DeflateSample.longNoise.prefix(count))
        }
    }

    private static let maximum = 1 << 20 + 1

    /// How many bytes of a character that does not end there stand before an offset.
    private static func cut(at offset: Int) -> Int {
        var start = offset
        while longText[start] & 0xC0 == 0x80 { start -= 1 }
        return offset - start
    }

    private static let longJSON: [UInt8] = {
        var generator = SplitMix64(seed: 7692)
        var bytes: [UInt8] = Array("[".utf8)
        while bytes.count < maximum {
            let record =
                "{\"id\":\(generator.below(1_000_000)),\"name\":\"user-\(generator.below(500))\","
                + "\"price\":\(generator.below(100_000)).\(generator.below(100)),\"tags\":[\"a\",\"b\",\"x\"]},"
            bytes += record.utf8
        }
        return bytes
    }()

    private static let longText: [UInt8] = {
        var generator = SplitMix64(seed: 1951)
        let words = ["κόσμε", "日本語", "naïve", "the", "of", "and", "😀", "Übermut", "\n", "compression", "€", "window"]
            .map { Array($0.utf8) + [0x20] }
        var bytes: [UInt8] = []
        while bytes.count < maximum { bytes += words[generator.below(words.count)] }
        return bytes
    }()

    private static let longNoise: [UInt8] = {
        var generator = SplitMix64(seed: 1950)
        return generator.bytes(maximum)
    }()
}
