/// The text of a file in any of the usual encodings.
enum FileText {
    /// The bytes with which Windows begins UTF-8 files.
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// Returns the text without its byte order mark, or `nil` if the bytes are neither UTF-8 nor UTF-16. UTF-16, which
    /// Windows PowerShell writes, needs the mark.
    static func text(_ bytes: [UInt8]) -> String? {
        if bytes.starts(with: byteOrderMark) {
            return String(validating: bytes.dropFirst(byteOrderMark.count), as: UTF8.self)
        }
        return utf16(bytes) ?? String(validating: bytes, as: UTF8.self)
    }

    /// Returns the text of UTF-8 bytes, with U+FFFD in place of invalid bytes.
    static func repairedText(_ bytes: [UInt8]) -> String {
        let start = bytes.starts(with: byteOrderMark) ? byteOrderMark.count : 0
        return String(decoding: bytes[start...], as: UTF8.self)
    }

    private static func utf16(_ bytes: [UInt8]) -> String? {
        let isLittle = bytes.starts(with: [0xFF, 0xFE])
        guard isLittle || bytes.starts(with: [0xFE, 0xFF]), bytes.count % 2 == 0 else { return nil }
        let units = stride(from: 2, to: bytes.count, by: 2).map { index in
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            return isLittle ? second << 8 | first : first << 8 | second
        }
        return String(validating: units, as: UTF16.self)
    }

    /// Splits a text into lines, at LF or CR LF (which is one `Character` in Swift).
    static func lines(_ text: String) -> [Substring] {
        text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            Substring(line.last == "\r" ? line.dropLast() : line)
        }
    }
}
