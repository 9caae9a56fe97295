/// The bytes of a client's frames.
enum Frames {
    /// So many whole messages that they fill a socket's read buffer, but one at least.
    static func messages(_ payload: [UInt8], opcode: UInt8) -> [UInt8] {
        let frame = self.frame(payload, firstByte: 0x80 | opcode)
        return Array(repeatElement(frame, count: max(1, (16 << 10) / frame.count)).joined())
    }

    /// One binary message in so many fragments.
    static func fragments(_ count: Int, of payload: [UInt8]) -> [UInt8] {
        (0..<count).flatMap { index in
            self.frame(payload, firstByte: (index == 0 ? 2 : 0) | (index == count - 1 ? 0x80 : 0))
        }
    }

    private static func frame(_ payload: [UInt8], firstByte: UInt8) -> [UInt8] {
        let count = payload.count
        let length: [UInt8] =
            switch count {
            case ...125: [UInt8(count)]
            case ...0xFFFF: [126, UInt8(count >> 8), UInt8(count & 0xFF)]
            default: [127] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
            }
        return [firstByte, 0x80 | length[0]] + length.dropFirst() + [0, 0, 0, 0] + payload
    }
}

extension [UInt8] {
    static func zeros(_ count: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: count)
    }

    /// Records as an interface may send them: the same names, values that differ.
    static func json(_ count: Int) -> [UInt8] {
        var text: [UInt8] = []
        var number: UInt32 = 1
        while text.count < count {
            number = number &* 1_664_525 &+ 1_013_904_223
            text += Array(
                "{\"id\":\(number),\"price\":\(number % 9_973).\(number % 100),\"open\":\(number % 2 == 0)},".utf8)
        }
        return Array(text.prefix(count))
    }

    /// The characters again and again, as long as whole ones fit in, and spaces.
    static func repeating(_ characters: String, _ count: Int) -> [UInt8] {
        let unit = Array(characters.utf8)
        let text = [UInt8](repeatElement(unit, count: count / unit.count).joined())
        return text + [UInt8](repeating: 0x20, count: count - text.count)
    }
}
