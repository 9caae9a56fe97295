/// Validates UTF-8 as it arrives, and finds the first invalid byte as soon as it arrives
/// ([RFC 6455 §8.1](https://www.rfc-editor.org/rfc/rfc6455#section-8.1),
/// [RFC 3629 §4](https://www.rfc-editor.org/rfc/rfc3629#section-4)).
///
/// Whether a byte is valid at its position depends on it and the three bytes before it only:
///
/// - it is a continuation byte exactly if the byte before leads a sequence of at least two bytes, the second before one of at least
///   three, or the third before one of four;
/// - it is none of C0, C1 and F5…FF, which begin no valid sequence;
/// - after E0 it is at least A0 and after F0 at least 90 (overlong forms), after ED at most 9F (surrogates), and after F4 at most 8F
///   (beyond U+10FFFF).
///
/// So sixteen bytes are checked at a time with comparisons alone, and the state between chunks is three bytes.
struct UTF8Validator {
    /// The last three bytes, the latest in the lowest octet. Zeros, which are ASCII, precede the first byte.
    private var last: UInt32 = 0

    /// Whether the bytes so far end at the boundary of a character.
    var isAtBoundary: Bool {
        let first = UInt8(truncatingIfNeeded: last)
        let second = UInt8(truncatingIfNeeded: last >> 8)
        let third = UInt8(truncatingIfNeeded: last >> 16)
        return first < 0xC0 && second < 0xE0 && third < 0xF0
    }

    /// Checks the next `count` bytes.
    ///
    /// - Returns: Whether each of them is valid at its position. After `false` the validator must not be used any more.
    @inline(__always)
    mutating func consume(_ bytes: UnsafeRawPointer, count: Int) -> Bool {
        guard count >= 16 else { return consumeShort(bytes, count: count) }
        guard last & 0x80_80_80 == 0, UTF8Validator.isASCII(bytes, count: count) else {
            return consumeLong(bytes, count: count)
        }
        last = 0  // The last three bytes are ASCII; zeros are equivalent.
        return true
    }

    /// Unmasks the next `count` bytes in place, and checks them.
    ///
    /// ASCII, which most text is, is recognized while it is unmasked. Everything else is checked in parts that are still in the cache.
    ///
    /// - Returns: Whether each of them is valid at its position. After `false` the validator must not be used any more, and some of the
    ///   bytes may not have been unmasked.
    @inline(__always)
    mutating func consume(_ bytes: UnsafeMutableRawPointer, count: Int, maskedWith key: MaskingKey) -> Bool {
        var offset = 0
        repeat {
            // A multiple of four, so that the key need not be rotated.
            let part = min(count &- offset, 4096)
            let isASCII = key.applyToASCII(bytes + offset, count: part)
            if isASCII, last & 0x80_80_80 == 0 {
                last = 0
            } else if part >= 16 {
                guard consumeLong(bytes + offset, count: part) else { return false }
            } else {
                guard consumeShort(bytes + offset, count: part) else { return false }
            }
            offset &+= part
        } while offset < count
        return true
    }

    /// Whether all bytes, at least sixteen, are ASCII.
    @inline(__always)
    private static func isASCII(_ bytes: UnsafeRawPointer, count: Int) -> Bool {
        var offset = 0
        while offset &+ 64 <= count {
            let first = bytes.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self)
            let second = bytes.loadUnaligned(fromByteOffset: offset &+ 32, as: SIMD4<UInt64>.self)
            if isNotASCII(first | second) { return false }
            offset &+= 64
        }
        while offset &+ 16 <= count {
            if isNotASCII(bytes.loadUnaligned(fromByteOffset: offset, as: SIMD2<UInt64>.self)) { return false }
            offset &+= 16
        }
        // The last sixteen bytes; some are checked a second time.
        return !isNotASCII(bytes.loadUnaligned(fromByteOffset: count &- 16, as: SIMD2<UInt64>.self))
    }

    @inline(__always)
    private static func isNotASCII(_ words: SIMD4<UInt64>) -> Bool {
        isNotASCII(words.lowHalf | words.highHalf)
    }

    @inline(__always)
    private static func isNotASCII(_ words: SIMD2<UInt64>) -> Bool {
        (words.x | words.y) & 0x8080_8080_8080_8080 != 0
    }

    /// Checks byte by byte.
    private mutating func consumeShort(_ bytes: UnsafeRawPointer, count: Int) -> Bool {
        for offset in 0..<count {
            guard accept(bytes.load(fromByteOffset: offset, as: UInt8.self)) else { return false }
        }
        return true
    }

    /// Checks the first three bytes with the bytes before them, and then sixteen at a time with loads that reach back three bytes.
    @inline(never)
    private mutating func consumeLong(_ bytes: UnsafeRawPointer, count: Int) -> Bool {
        guard consumeShort(bytes, count: 3) else { return false }
        guard count >= 19 else { return consumeShort(bytes + 3, count: count - 3) }
        var offset = 3
        while offset &+ 16 <= count {
            // Runs of ASCII are common in mixed text, and need no check unless a character is incomplete.
            let block = bytes.loadUnaligned(fromByteOffset: offset, as: SIMD2<UInt64>.self)
            let before = bytes.loadUnaligned(fromByteOffset: offset &- 3, as: SIMD2<UInt64>.self)
            if UTF8Validator.isNotASCII(block | before), !UTF8Validator.isValid(bytes + offset) { return false }
            offset &+= 16
        }
        // Each byte is checked independently, so checking some of the last sixteen twice does no harm.
        guard UTF8Validator.isValid(bytes + (count &- 16)) else { return false }
        last =
            UInt32(bytes.load(fromByteOffset: count &- 1, as: UInt8.self))
            | UInt32(bytes.load(fromByteOffset: count &- 2, as: UInt8.self)) << 8
            | UInt32(bytes.load(fromByteOffset: count &- 3, as: UInt8.self)) << 16
        return true
    }

    /// Checks the sixteen bytes at `bytes`, which at least three others precede.
    @inline(__always)
    private static func isValid(_ bytes: UnsafeRawPointer) -> Bool {
        let byte = bytes.loadUnaligned(as: SIMD16<UInt8>.self)
        let first = bytes.loadUnaligned(fromByteOffset: -1, as: SIMD16<UInt8>.self)
        let second = bytes.loadUnaligned(fromByteOffset: -2, as: SIMD16<UInt8>.self)
        let third = bytes.loadUnaligned(fromByteOffset: -3, as: SIMD16<UInt8>.self)

        // Whole vectors on both sides: with a scalar on one side, the compiler processes the lanes one by one.
        func all(_ value: UInt8) -> SIMD16<UInt8> { SIMD16(repeating: value) }
        let isContinuation = (byte & all(0xC0)) .== all(0x80)
        let isExpected = (first .>= all(0xC0)) .| (second .>= all(0xE0)) .| (third .>= all(0xF0))
        let isMisplaced = isContinuation .^ isExpected
        let isInvalidLead = ((byte & all(0xFE)) .== all(0xC0)) .| (byte .>= all(0xF5))
        let isBadAfterThree =
            ((first .== all(0xE0)) .& (byte .< all(0xA0))) .| ((first .== all(0xED)) .& (byte .> all(0x9F)))
        let isBadAfterFour =
            ((first .== all(0xF0)) .& (byte .< all(0x90))) .| ((first .== all(0xF4)) .& (byte .> all(0x8F)))
        return !any(isMisplaced .| isInvalidLead .| isBadAfterThree .| isBadAfterFour)
    }

    /// Checks one byte by the same rules.
    @inline(__always)
    private mutating func accept(_ byte: UInt8) -> Bool {
        let first = UInt8(truncatingIfNeeded: last)
        let second = UInt8(truncatingIfNeeded: last >> 8)
        let third = UInt8(truncatingIfNeeded: last >> 16)
        last = (last << 8 | UInt32(byte)) & 0xFF_FFFF

        let isContinuation = byte & 0xC0 == 0x80
        let isExpected = first >= 0xC0 || second >= 0xE0 || third >= 0xF0
        guard isContinuation == isExpected else { return false }
        guard isContinuation else { return byte & 0xFE != 0xC0 && byte < 0xF5 }
        return switch first {
        case 0xE0: byte >= 0xA0
        case 0xED: byte <= 0x9F
        case 0xF0: byte >= 0x90
        case 0xF4: byte <= 0x8F
        default: true
        }
    }

    /// Unmasks the bytes in place.
    ///
    /// - Returns: Whether they are complete, valid UTF-8.
    @inline(__always)
    static func isValid(_ bytes: UnsafeMutableRawPointer, count: Int, maskedWith key: MaskingKey) -> Bool {
        var validator = UTF8Validator()
        return validator.consume(bytes, count: count, maskedWith: key) && validator.isAtBoundary
    }

    /// Whether the bytes are complete, valid UTF-8.
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        var validator = UTF8Validator()
        return validator.consume(base, count: bytes.count) && validator.isAtBoundary
    }
}
