import Lifeline

/// Replaces the values of secret members in JSON (RFC 8259), as it comes: in one piece, or in pieces that begin and end anywhere.
///
/// It needs no whole document: what looks like such a member is one. Names are compared as JSON reads them (`"\u0070in"` is
/// `"pin"`), also within strings that hold JSON themselves. What is replaced is swallowed to the value's end; where that never comes,
/// nothing of it is shown.
struct MemberRedactor {
    private enum State {
        /// Not within a string.
        case between
        /// Behind a string that is a secret member's name, if a colon follows.
        case behindName
        /// Behind the colon.
        case beforeValue
        case string
        case skippedString(isEscaped: Bool)
        /// Within objects and arrays.
        case skippedContainer(depth: Int, isInString: Bool, isEscaped: Bool)
        /// A number or a word.
        case skippedScalar
    }

    private let names: SecretNames
    /// In how many strings this JSON is.
    private let level: Int
    private var state = State.between
    /// The string so far, decoded.
    private var name: [UInt8] = []
    /// An escape so far, decoded once less than what it stands for, and as it is written.
    private var escape: [UInt8] = []
    private var writtenEscape: [UInt8] = []
    /// The first half of a character beyond 16 bits.
    private var highSurrogate: UInt32?
    /// What the string may hold; one at most.
    private var inner: [MemberRedactor] = []
    /// Whether the string contains JSON that is nested too deeply to be read.
    private var isTooDeep = false

    /// Longer strings are not taken for names.
    private static let maximumNameLength = 512
    /// How many strings inside strings are read as JSON. Nothing of JSON that is nested more deeply is shown.
    private static let maximumLevel = 12

    init(_ names: SecretNames, level: Int = 0) {
        self.names = names
        self.level = level
    }

    /// A text that is there in one piece; it may be cut off.
    static func redacted(_ text: [UInt8], _ names: SecretNames) -> [UInt8] {
        var redactor = MemberRedactor(names)
        return redactor.read(text) + redactor.finish()
    }

    /// Reads on.
    ///
    /// - Returns: What may be shown. An escape that has only begun comes with the next piece.
    mutating func read(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for byte in text { read(byte, nil, &result) }
        return result
    }

    /// The end of the text.
    ///
    /// - Returns: What is left of it.
    mutating func finish() -> [UInt8] {
        guard case .string = state, !isSkipping else { return [] }
        guard escape.isEmpty else { return writtenEscape }
        return inner.isEmpty ? [] : inner[0].finish()
    }

    /// Whether what comes next belongs to a secret.
    private var isSkipping: Bool {
        switch state {
        case .between, .behindName: false
        case .string: inner.first?.isSkipping ?? false
        case .beforeValue, .skippedString, .skippedContainer, .skippedScalar: true
        }
    }

    /// - Parameter written: How the byte is written, where that differs.
    private mutating func read(_ byte: UInt8, _ written: [UInt8]?, _ result: inout [UInt8]) {
        switch state {
        case .between, .behindName:
            if byte == UInt8(ascii: "\"") {
                beginString()
            } else if case .behindName = state {
                if byte == UInt8(ascii: ":") {
                    state = .beforeValue
                } else if !MemberRedactor.isSpace(byte) {
                    state = .between
                }
            }
            show(byte, written, &result)
        case .string:
            readString(byte, written, &result)
        case .beforeValue:
            if MemberRedactor.isSpace(byte) { return show(byte, written, &result) }
            result += mark
            switch byte {
            case UInt8(ascii: "\""): state = .skippedString(isEscaped: false)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                state = .skippedContainer(depth: 1, isInString: false, isEscaped: false)
            case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"):
                state = .between
                show(byte, written, &result)
            default: state = .skippedScalar
            }
        case .skippedString(let isEscaped):
            if isEscaped {
                state = .skippedString(isEscaped: false)
            } else if byte == UInt8(ascii: "\\") {
                state = .skippedString(isEscaped: true)
            } else if byte == UInt8(ascii: "\"") {
                state = .between
            }
        case .skippedContainer(let depth, let isInString, let isEscaped):
            skip(byte, depth, isInString, isEscaped)
        case .skippedScalar:
            guard MemberRedactor.isSpace(byte) || ",]}".utf8.contains(byte) else { return }
            state = .between
            show(byte, written, &result)
        }
    }

    private mutating func skip(_ byte: UInt8, _ depth: Int, _ isInString: Bool, _ isEscaped: Bool) {
        var (depth, isInString, isNowEscaped) = (depth, isInString, false)
        if isInString {
            if !isEscaped {
                isNowEscaped = byte == UInt8(ascii: "\\")
                isInString = byte != UInt8(ascii: "\"")
            }
        } else {
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        state =
            depth == 0
            ? .between : .skippedContainer(depth: depth, isInString: isInString, isEscaped: isNowEscaped)
    }

    private func show(_ byte: UInt8, _ written: [UInt8]?, _ result: inout [UInt8]) {
        if let written { result += written } else { result.append(byte) }
    }

    /// The mark as a string, as deep in strings as this JSON is.
    private var mark: [UInt8] {
        var mark = "\"\(Redaction.mark)\""
        for _ in 0..<level { mark = mark.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") }
        return Array(mark.utf8)
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    // MARK: Strings

    private mutating func beginString() {
        state = .string
        name.removeAll(keepingCapacity: true)
        highSurrogate = nil
        isTooDeep = false
        inner = level < MemberRedactor.maximumLevel ? [MemberRedactor(names, level: level + 1)] : []
    }

    private mutating func readString(_ byte: UInt8, _ written: [UInt8]?, _ result: inout [UInt8]) {
        if !escape.isEmpty {
            let isOver = escape.count > 1 && IPAddressBytes.hexadecimalDigit(byte) == nil
            // No such escape: it is shown as it is, and the byte is read for itself.
            if isOver {
                take([], writtenEscape, &result)
                escape = []
                return readString(byte, written, &result)
            }
            escape.append(byte)
            show(byte, written, &writtenEscape)
            guard escape.count == 2 ? byte != UInt8(ascii: "u") : escape.count == 6 else { return }
            let decoded = decodedEscape()
            escape = []
            take(decoded, writtenEscape, &result)
        } else if byte == UInt8(ascii: "\\") {
            escape = [byte]
            writtenEscape = []
            show(byte, written, &writtenEscape)
        } else if byte == UInt8(ascii: "\"") {
            let isSecret = name.count <= MemberRedactor.maximumNameLength && names.contains(name)
            state = isSecret ? .behindName : .between
            inner = []
            show(byte, written, &result)
        } else {
            take([byte], written, &result)
        }
    }

    /// Takes what a string holds: as a name, and as JSON.
    private mutating func take(_ decoded: [UInt8], _ written: [UInt8]?, _ result: inout [UInt8]) {
        if name.count <= MemberRedactor.maximumNameLength { name += decoded }
        guard !inner.isEmpty else {
            if decoded.contains(UInt8(ascii: "\"")) { isTooDeep = true }
            if !isTooDeep { result += written ?? decoded }
            return
        }
        // What stands for nothing by itself stands in a value all the same: a byte that no text has takes its place.
        inner[0].read(decoded.first ?? 0xFF, written, &result)
        // All of a character's bytes are written with its first.
        for byte in decoded.dropFirst() { inner[0].read(byte, [], &result) }
    }

    private mutating func decodedEscape() -> [UInt8] {
        guard escape.count == 6 else {
            switch escape[1] {
            case UInt8(ascii: "n"): return [0x0A]
            case UInt8(ascii: "r"): return [0x0D]
            case UInt8(ascii: "t"): return [0x09]
            case UInt8(ascii: "b"): return [0x08]
            case UInt8(ascii: "f"): return [0x0C]
            default: return [escape[1]]
            }
        }
        var unit = escape[2...].reduce(UInt32(0)) { $0 << 4 | UInt32(IPAddressBytes.hexadecimalDigit($1) ?? 0) }
        switch unit {
        case 0xD800...0xDBFF:
            highSurrogate = unit
            return []
        case 0xDC00...0xDFFF:
            guard let high = highSurrogate else { return [] }
            unit = 0x10000 + (high - 0xD800) << 10 + (unit - 0xDC00)
        default: break
        }
        highSurrogate = nil
        return Unicode.Scalar(unit).map { Array(String(Character($0)).utf8) } ?? []
    }
}
