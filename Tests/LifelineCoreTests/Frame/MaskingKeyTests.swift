import Testing

@testable import LifelineCore

@Suite("§5.3 the masking of payloads")
struct MaskingKeyTests {
    private static let octets: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    private static let key = MaskingKey(0x37, 0xFA, 0x21, 0x3D)

    /// `transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)`
    private func expected(_ payload: [UInt8]) -> [UInt8] {
        payload.enumerated().map { $1 ^ Self.octets[$0 % 4] }
    }

    private func payload(_ count: Int) -> [UInt8] {
        var generator = SplitMix64(seed: UInt64(count))
        return generator.bytes(count)
    }

    @Test("§5.3 masking in place touches only the payload, at every length and alignment")
    func inPlace() {
        for count in 0...100 {
            let original = payload(count)
            for alignment in 0..<16 {
                var memory = [UInt8](repeating: 0xEE, count: alignment + count + 16)
                memory.replaceSubrange(alignment..<(alignment + count), with: original)
                memory.withUnsafeMutableBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    Self.key.apply(to: base + alignment, count: count)
                }
                let masked = Array(memory[alignment..<(alignment + count)])
                #expect(masked == expected(original))
                #expect(memory.prefix(alignment).allSatisfy { $0 == 0xEE })
                #expect(memory.suffix(16).allSatisfy { $0 == 0xEE })
            }
        }
    }

    @Test("§5.3 masking while copying works at every length and alignment")
    func copying() {
        for count in 0...100 {
            let original = payload(count)
            for (sourceAlignment, targetAlignment) in [(0, 0), (1, 0), (0, 3), (5, 7), (15, 1)] {
                let source = [UInt8](repeating: 0, count: sourceAlignment) + original
                var target = [UInt8](repeating: 0xEE, count: targetAlignment + count + 16)
                source.withUnsafeBytes { source in
                    target.withUnsafeMutableBytes { target in
                        guard let from = source.baseAddress, let to = target.baseAddress else { return }
                        Self.key.apply(from: from + sourceAlignment, to: to + targetAlignment, count: count)
                    }
                }
                #expect(Array(target[targetAlignment..<(targetAlignment + count)]) == expected(original))
                #expect(target.suffix(16).allSatisfy { $0 == 0xEE })
            }
        }
    }

    @Test("§5.3 the key is rotated for the second part of a split payload")
    func rotation() {
        let original = payload(100)
        for cut in 0...100 {
            var memory = original
            memory.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                Self.key.apply(to: base, count: cut)
                Self.key.rotated(by: cut).apply(to: base + cut, count: 100 - cut)
            }
            #expect(memory == expected(original))
        }
    }

    @Test("§5.3 rotations add up modulo four")
    func rotationsAddUp() {
        for first in 0...9 {
            for second in 0...9 {
                #expect(Self.key.rotated(by: first).rotated(by: second) == Self.key.rotated(by: first + second))
            }
        }
        #expect(Self.key.rotated(by: 4) == Self.key)
        #expect(Self.key.rotated(by: 1) == MaskingKey(0xFA, 0x21, 0x3D, 0x37))
        #expect(Self.key.rotated(by: 1 << 40 | 3) == MaskingKey(0x3D, 0x37, 0xFA, 0x21))
    }

    @Test("§5.3 masking twice restores the payload")
    func involution() {
        let original = payload(1000)
        var memory = original
        memory.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            for _ in 0..<2 { Self.key.apply(to: base, count: 1000) }
        }
        #expect(memory == original)
    }

    @Test("§5.3 the key's octets are in wire order")
    func description() {
        #expect("\(Self.key)" == "37fa213d")
        #expect("\(MaskingKey(0, 0, 0, 1))" == "00000001")
    }
}
