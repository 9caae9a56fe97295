/// Texts and non-texts: one of each kind that decoders have been caught by.
enum UTF8Samples {
    /// Bytes that are not UTF-8, each with a character before or after it where the kind needs one.
    static let invalid: [(kind: String, bytes: [UInt8])] = [
        ("a continuation byte alone, the least", [0x80]),
        ("a continuation byte alone, the greatest", [0xBF]),
        ("one continuation byte too many after two bytes", [0xC3, 0xA9, 0x80]),
        ("one continuation byte too many after three bytes", [0xE2, 0x82, 0xAC, 0x80]),
        ("one continuation byte too many after four bytes", [0xF0, 0x9F, 0x98, 0x80, 0x80]),
        ("a lead of two, then ASCII", [0xC3, 0x41]),
        ("a lead of three, then ASCII", [0xE2, 0x41]),
        ("two of three, then ASCII", [0xE2, 0x82, 0x41]),
        ("a lead of four, then ASCII", [0xF0, 0x41]),
        ("two of four, then ASCII", [0xF0, 0x9F, 0x41]),
        ("three of four, then ASCII", [0xF0, 0x9F, 0x98, 0x41]),
        ("a lead of two, then another lead", [0xC3, 0xC3]),
        ("a lead of three, then another lead", [0xE2, 0xE2]),
        ("two of three, then another lead", [0xE2, 0x82, 0xE2]),
        ("three of four, then another lead", [0xF0, 0x9F, 0x98, 0xF0]),
        ("overlong: / in two bytes", [0xC0, 0xAF]),
        ("overlong: NUL in two bytes", [0xC0, 0x80]),
        ("overlong: U+007F in two bytes", [0xC1, 0xBF]),
        ("overlong: NUL in three bytes", [0xE0, 0x80, 0x80]),
        ("overlong: / in three bytes", [0xE0, 0x80, 0xAF]),
        ("overlong: U+07FF in three bytes", [0xE0, 0x9F, 0xBF]),
        ("overlong: NUL in four bytes", [0xF0, 0x80, 0x80, 0x80]),
        ("overlong: / in four bytes", [0xF0, 0x80, 0x80, 0xAF]),
        ("overlong: U+FFFF in four bytes", [0xF0, 0x8F, 0xBF, 0xBF]),
        ("the first high surrogate, U+D800", [0xED, 0xA0, 0x80]),
        ("the last high surrogate, U+DBFF", [0xED, 0xAF, 0xBF]),
        ("the first low surrogate, U+DC00", [0xED, 0xB0, 0x80]),
        ("the last low surrogate, U+DFFF", [0xED, 0xBF, 0xBF]),
        ("a pair of surrogates (CESU-8)", [0xED, 0xA1, 0x8C, 0xED, 0xBE, 0xB4]),
        ("past U+10FFFF: U+110000", [0xF4, 0x90, 0x80, 0x80]),
        ("past U+10FFFF: U+13FFFF", [0xF4, 0xBF, 0xBF, 0xBF]),
        ("past U+10FFFF: F5", [0xF5, 0x80, 0x80, 0x80]),
        ("past U+10FFFF: F7", [0xF7, 0xBF, 0xBF, 0xBF]),
        ("five bytes", [0xF8, 0x88, 0x80, 0x80, 0x80]),
        ("six bytes", [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80]),
        ("FE", [0xFE]),
        ("FF", [0xFF]),
        ("a byte order mark of UTF-16", [0xFF, 0xFE, 0x41, 0x00]),
        ("Latin-1", [0x63, 0x61, 0x66, 0xE9, 0x20]),
    ]

    /// Texts, the first and last code point of each length and those that mean no character among them.
    static let valid: [String] =
        [
            "", "a", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "日本語のテキスト", "👩‍👩‍👧‍👦 family", "e\u{301}\u{302}\u{303}",
            "mixed: aé€😀aé€😀aé€😀aé€😀aé€😀aé€😀",
        ]
        + [
            0x0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFF,
            0x10FFFE, 0x10FFFF,
        ].compactMap(Unicode.Scalar.init).map { "\($0)" }

    /// Characters of each length to put before and behind a sample, so that it meets every neighbour.
    static let fillings: [[UInt8]] = ["a", "é", "€", "😀"].map { Array($0.utf8) }

    /// At least `count` bytes of whole characters: one filling over and over, ASCII for what is left over.
    static func filling(_ character: [UInt8], count: Int) -> [UInt8] {
        let whole = Array(repeating: character, count: count / character.count).flatMap { $0 }
        return Array(repeating: 0x61, count: count - whole.count) + whole
    }
}
