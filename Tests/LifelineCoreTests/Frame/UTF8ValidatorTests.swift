import Testing

@testable import LifelineCore

/// The validator itself, compared with a plain reading of RFC 3629's table.
@Suite("RFC 3629 §4 the UTF-8 validator")
struct UTF8ValidatorTests {
    @Test("RFC 3629 §4 sequences of every byte class are validated as in the table")
    func classes() {
        // One byte from each class that the table tells apart, with both ends of each range.
        let bytes: [UInt8] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
            0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        // Four bytes and what may follow them in optimised builds alone: 24⁴ sequences.
        let fourth: [UInt8] = TestScale.isOptimized ? bytes : [0x7F, 0x80, 0xBF, 0xC2, 0xF0]
        for first in bytes {
            for second in bytes {
                for third in bytes {
                    expectAgreement([first, second, third])
                    for fourth in fourth { expectAgreement([first, second, third, fourth]) }
                }
            }
        }
    }

    @Test("RFC 3629 §4 every pair of bytes is validated beyond the first sixteen")
    func pairs() {
        let step = TestScale.rounds(debug: 7, release: 1)
        for pair in stride(from: 0, to: 1 << 16, by: step) {
            let bytes = [UInt8](repeating: 0x61, count: 17) + [UInt8(pair >> 8), UInt8(pair & 0xFF), 0x61]
            expectAgreement(bytes)
        }
    }

    @Test("RFC 3629 §3 every code point is accepted in runs long enough for the vector path")
    func everyCodePoint() {
        let step = TestScale.rounds(debug: 16, release: 1)
        for start in stride(from: UInt32(0), to: 0x110000, by: 64 * step) {
            let text = String(String.UnicodeScalarView((start..<(start + 64)).compactMap(Unicode.Scalar.init)))
            #expect(accepts(Array(text.utf8), splitAt: []))
        }
    }

    @Test("RFC 3629 §3 no surrogate is accepted")
    func everySurrogate() {
        let step = TestScale.rounds(debug: 13, release: 1)
        for point in stride(from: 0xD800, through: 0xDFFF, by: step) {
            let bytes = [UInt8(0xE0 | point >> 12), UInt8(0x80 | point >> 6 & 0x3F), UInt8(0x80 | point & 0x3F)]
            #expect(!accepts(bytes, splitAt: []))
            #expect(!accepts(UTF8Samples.filling([0x61], count: 18) + bytes, splitAt: []))
        }
    }

    @Test(
        "§8.1 the first invalid byte is detected at every offset",
        arguments: UTF8Samples.invalid, UTF8Samples.fillings)
    func invalidAtEveryOffset(sample: (kind: String, bytes: [UInt8]), filling: [UInt8]) throws {
        for offset in 0...40 {
            let bytes = UTF8Samples.filling(filling, count: offset) + sample.bytes
            let firstBad = try #require(UTF8Oracle.judge(bytes).firstBad)
            let before = Array(bytes[..<firstBad])
            let upTo = Array(bytes[...firstBad])
            #expect(accepts(before, splitAt: []), "\(sample.kind) at \(offset)")
            #expect(!accepts(upTo, splitAt: []), "\(sample.kind) at \(offset)")
            // And with more behind it, so that it lies in the middle of a vector.
            #expect(!accepts(bytes + UTF8Samples.filling(filling, count: 20), splitAt: []))
        }
    }

    @Test("§8.1 each kind of invalid sequence is detected, wherever it is split")
    func invalidAtEverySplit() throws {
        let offsets = TestScale.isOptimized ? Array(0...40) : [0, 1, 2, 3, 15, 16, 17, 19, 33]
        for sample in UTF8Samples.invalid {
            for offset in offsets {
                let bytes = UTF8Samples.filling(UTF8Samples.fillings[offset % 4], count: offset) + sample.bytes
                let firstBad = try #require(UTF8Oracle.judge(bytes).firstBad)
                for split in 0...firstBad {
                    #expect(accepts(Array(bytes[..<firstBad]), splitAt: [split]))
                    #expect(!accepts(Array(bytes[...firstBad]), splitAt: [split]), "\(sample.kind) split at \(split)")
                }
            }
        }
    }

    @Test("§8.1 valid text is accepted at every split")
    func validAtEverySplit() {
        for text in UTF8Samples.valid { checkEverySplit(Array(text.utf8)) }
    }

    private func checkEverySplit(_ bytes: [UInt8]) {
        for split in 0...bytes.count {
            var validator = UTF8Validator()
            #expect(consume(Array(bytes[..<split]), &validator))
            #expect(validator.isAtBoundary == UTF8Oracle.judge(bytes[..<split]).isAtBoundary)
            #expect(consume(Array(bytes[split...]), &validator))
            #expect(validator.isAtBoundary)
        }
    }

    @Test("§8.1 random errors in random text are detected, however it is split")
    func randomised() {
        var generator = SplitMix64(seed: 20_111_206)
        for _ in 0..<TestScale.rounds(debug: 50_000, release: 2_000_000) {
            let bytes = randomBytes(&generator)
            let splits = (0..<generator.below(4)).map { _ in generator.below(bytes.count + 1) }.sorted()
            let verdict = UTF8Oracle.judge(bytes)
            guard let firstBad = verdict.firstBad else {
                var validator = UTF8Validator()
                let isAccepted = consume(bytes, splitAt: splits, &validator)
                if !isAccepted || validator.isAtBoundary != verdict.isAtBoundary {
                    Issue.record("\(bytes) split at \(splits)")
                }
                continue
            }
            let upTo = Array(bytes[...firstBad])
            let earlier = splits.filter { $0 <= firstBad }
            let isExact = accepts(Array(upTo.dropLast()), splitAt: earlier) && !accepts(upTo, splitAt: earlier)
            if !isExact || accepts(bytes, splitAt: splits) { Issue.record("\(bytes) split at \(splits)") }
        }
    }

    /// Characters of random lengths, with up to two bytes changed at random or among those near the rules' edges.
    private func randomBytes(_ generator: inout SplitMix64) -> [UInt8] {
        let edges: [UInt8] = [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5]
        let isMostlyASCII = generator.below(2) == 0
        var bytes: [UInt8] = []
        for _ in 0..<generator.below(40) {
            let kind = isMostlyASCII && generator.below(8) > 0 ? 0 : generator.below(4)
            bytes += UTF8Samples.fillings[kind]
        }
        for _ in 0..<generator.below(3) where !bytes.isEmpty {
            let place = generator.below(bytes.count)
            bytes[place] =
                generator.below(2) == 0
                ? UInt8(truncatingIfNeeded: generator.next()) : edges[generator.below(edges.count)]
        }
        return bytes
    }

    // MARK: Asking

    private func expectAgreement(_ bytes: [UInt8]) {
        if accepts(bytes, splitAt: []) != (UTF8Oracle.judge(bytes).firstBad == nil) { Issue.record("\(bytes)") }
    }

    private func accepts(_ bytes: [UInt8], splitAt splits: [Int]) -> Bool {
        var validator = UTF8Validator()
        return consume(bytes, splitAt: splits, &validator)
    }

    private func consume(_ bytes: [UInt8], splitAt splits: [Int], _ validator: inout UTF8Validator) -> Bool {
        var start = 0
        for split in splits + [bytes.count] {
            guard consume(Array(bytes[start..<split]), &validator) else { return false }
            start = split
        }
        return true
    }

    /// Judges bytes in memory of just their size, so that the address sanitizer sees what reads past them.
    private func consume(_ bytes: [UInt8], _ validator: inout UTF8Validator) -> Bool {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        guard let base = memory.baseAddress else { return false }
        return validator.consume(base, count: bytes.count)
    }
}
