/// IP addresses as bytes in network order: four for IPv4, sixteen for IPv6.
package enum IPAddressBytes {
    /// Parses an address ([RFC 4291 §2.2](https://www.rfc-editor.org/rfc/rfc4291#section-2.2)).
    ///
    /// - Parameter text: An address; an IPv6 address without brackets. A zone (`fe80::1%eth0`) is allowed and not part of the bytes.
    /// - Returns: The bytes; `nil` if the text is not an address.
    package static func bytes(of text: some StringProtocol) -> [UInt8]? {
        let text = Array(text.utf8)
        guard text.contains(UInt8(ascii: ":")) else { return version4(text[...]) }
        let address = text.prefix { $0 != UInt8(ascii: "%") }
        // A zone must not be empty.
        return text.count == address.count + 1 ? nil : version6(address)
    }

    private static func version4(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            // A leading zero means octal to some readers, and decimal to others.
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0"),
                part.allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
            guard let byte = UInt8(exactly: part.reduce(0) { $0 * 10 + Int($1 - 0x30) }) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func version6(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count <= 45 else { return nil }
        var halves: [[UInt8]] = [[]]
        var rest = text
        if rest.starts(with: Array("::".utf8)) {
            halves.append([])
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let group = rest.prefix { $0 != UInt8(ascii: ":") }
            rest = rest[group.endIndex...]
            if rest.isEmpty, group.contains(UInt8(ascii: ".")) {
                guard let last = version4(group) else { return nil }
                halves[halves.count - 1] += last
                break
            }
            guard (1...4).contains(group.count), let value = hexadecimal(group) else { return nil }
            halves[halves.count - 1] += [UInt8(value >> 8), UInt8(value & 0xFF)]
            if rest.starts(with: Array("::".utf8)) {
                guard halves.count == 1 else { return nil }
                halves.append([])
                rest = rest.dropFirst(2)
            } else if !rest.isEmpty {
                rest = rest.dropFirst()
                guard !rest.isEmpty else { return nil }
            }
        }
        let count = halves.reduce(0) { $0 + $1.count }
        guard halves.count == 2 else { return count == 16 ? halves[0] : nil }
        // Two colons stand for at least one group of zeros.
        guard count <= 14 else { return nil }
        return halves[0] + [UInt8](repeating: 0, count: 16 - count) + halves[1]
    }

    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        for byte in text {
            guard let digit = hexadecimalDigit(byte) else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    /// Returns the value of a hexadecimal digit; `nil` if the byte is not one.
    package static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    /// Returns the textual form of an address ([RFC 5952](https://www.rfc-editor.org/rfc/rfc5952)); hexadecimal digits if the bytes are
    /// not an address.
    package static func text(of bytes: [UInt8]) -> String {
        switch bytes.count {
        case 4: return bytes.map { "\($0)" }.joined(separator: ".")
        case 16:
            let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
            // The longest run of at least two zeros; the first one if several are equally long.
            var longest = 0..<0
            var start = 0
            while start < 8 {
                var end = start
                while end < 8, groups[end] == 0 { end += 1 }
                if end - start > max(1, longest.count) { longest = start..<end }
                start = max(end, start + 1)
            }
            func text(_ groups: ArraySlice<UInt16>) -> String {
                groups.map { String($0, radix: 16) }.joined(separator: ":")
            }
            guard !longest.isEmpty else { return text(groups[...]) }
            return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
        default:
            return "0x" + bytes.prefix(32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}
