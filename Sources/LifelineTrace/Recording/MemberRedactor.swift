import Lifeline

/// Replaces the values of secret members in JSON (RFC 8259), which may come in parts that are split anywhere.
///
/// The JSON need not be a whole document: everything that looks like a secret member is redacted. Names are compared after unescaping
/// (`"\u0070in"` is `"pin"`), also in strings that contain JSON themselves. A secret value is dropped to its end; if that never comes,
/// everything is dropped.
struct MemberRedactor {
    private enum State {
        /// Outside strings.
        case between
        /// After a string that is the name of a secret member if a colon follows.
        case afterName
        /// After that colon.
        case beforeValue
        case string
        case skippedString(isEscaped: Bool)
        /// Inside an object or an array.
        case skippedContainer(depth: Int, isInString: Bool, isEscaped: Bool)
        /// A number or a literal.
        case skippedScalar
    }

    private let names: SecretNames
    /// How many strings this JSON is nested in.
    private let level: Int
    private var state = State.between
    /// The string so far, decoded.
    private var name: [UInt8] = []
    /// The escape sequence so far at this level, and the bytes of the text that it consists of.
    private var escape: [UInt8] = []
    private var writtenEscape: [UInt8] = []
    /// The first half of a surrogate pair.
    private var highSurrogate: UInt32?
    /// The redactor of the JSON in the current string; at most one.
    private var inner: [MemberRedactor] = []
    /// Whether the current string contains JSON that is nested too deeply.
    private var isTooDeep = false

    /// Longer strings are not names.
    private static let maximumNameLength = 512
    /// The greatest nesting of JSON in strings. JSON that is nested more deeply is dropped.
    private static let maximumLevel = 12

    init(_ names: SecretNames, level: Int = 0) {
        self.names = names
        self.level = level
    }

    /// Returns a whole text, which may be cut off at its end, without secrets.
    static func redacted(_ text: [UInt8], _ names: SecretNames) -> [UInt8] {
        var redactor = MemberRedactor(names)
        return redactor.read(text) + redactor.finish()
    }

    /// Reads the next part.
    ///
    /// - Returns: The part without secrets. An incomplete escape sequence at its end is returned with the next part.
    mutating func read(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for byte in text { read(byte, nil, &result) }
        return result
    }

    /// Ends the text.
    ///
    /// - Returns: The rest of the text without secrets.
    mutating func finish() -> [UInt8] {
        guard case .string = state, !isSkipping else { return [] }
        guard escape.isEmpty else { return writtenEscape }
        return inner.isEmpty ? [] : inner[0].finish()
    }

    /// Whether the next byte belongs to a secret.
    private var isSkipping: Bool {
        switch state {
        case .between, .afterName: false
        case .string: inner.first?.isSkipping ?? false
        case .beforeValue, .skippedString, .skippedContainer, .skippedScalar: true
        }
    }

    /// Reads a byte.
    ///
    /// - Parameter written: The bytes of the text that encode it; `nil` for the byte itself.
    private mutating func read(_ byte: UInt8, _ written: [UInt8]?, _ result: inout [UInt8]) {
        switch state {
        case .between, .afterName:
            if byte == UInt8(ascii: "\"") {
                beginString()
            } else if case .afterName = state {
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

    /// The mark as a string, escaped for the nesting of this JSON.
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
            // Not an escape sequence: it is copied, and the byte is read on its own.
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
            state = isSecret ? .afterName : .between
            inner = []
            show(byte, written, &result)
        } else {
            take([byte], written, &result)
        }
    }

    /// Adds decoded bytes of a string to its name, and to the JSON that it may contain.
    private mutating func take(_ decoded: [UInt8], _ written: [UInt8]?, _ result: inout [UInt8]) {
        if name.count <= MemberRedactor.maximumNameLength { name += decoded }
        guard !inner.isEmpty else {
            if decoded.contains(UInt8(ascii: "\"")) { isTooDeep = true }
            if !isTooDeep { result += written ?? decoded }
            return
        }
        // An escape sequence that encodes nothing on its own is part of a value all the same. A byte that no text has replaces it.
        inner[0].read(decoded.first ?? 0xFF, written, &result)
        // All bytes of an escaped character are written with the first one.
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
