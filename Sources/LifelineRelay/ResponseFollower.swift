import NIOCore

/// Follows the answers of a server as far as it must to tell what each request is answered with (RFC 9112 §6.3).
///
/// Where it cannot tell any more, behind an answer that ends with the connection, and in what is no HTTP/1.1, it is lost, and
/// follows nothing. What it keeps does not grow with what passes.
struct AnswerFollower {
    private enum Phase {
        case statusLine
        case fields
        case body(Int)
        case chunks(ChunkedBody)
        case lost
    }

    /// The most bytes of a line that are looked at: more than the fields need that mean something here.
    private static let lineLimit = 128

    private var phase = Phase.statusLine
    /// How the line begins that is being read.
    private var line: [UInt8] = []
    private var status = 0
    private var length: Int?
    private var isChunked = false
    /// Whether nobody can tell where the body ends.
    private var hasUnknownLength = false

    /// Whether it follows nothing any more.
    var isLost: Bool {
        if case .lost = phase { true } else { false }
    }

    /// Gives up.
    mutating func lose() {
        phase = .lost
    }

    /// Reads what the server has sent next.
    ///
    /// - Parameter answered: Is told the status of each answer, 100 to 199 included, and says whether the answer may have a body:
    ///   `nil` where it answers nothing, or where another protocol follows.
    mutating func read(_ bytes: ByteBuffer, answered: (_ status: Int) -> Bool?) {
        var rest = bytes
        while rest.readableBytes > 0 {
            switch phase {
            case .lost: return
            case .body(let length):
                let count = min(length, rest.readableBytes)
                rest.moveReaderIndex(forwardBy: count)
                phase = length > count ? .body(length - count) : .statusLine
            case .chunks(var body):
                guard let count = body.read(rest.readableBytesView) else { return lose() }
                rest.moveReaderIndex(forwardBy: count)
                phase = body.isOver ? .statusLine : .chunks(body)
            case .statusLine, .fields:
                guard let byte = rest.readInteger(as: UInt8.self) else { return }
                if byte != UInt8(ascii: "\n") {
                    if line.count < AnswerFollower.lineLimit { line.append(byte) }
                } else {
                    if line.last == UInt8(ascii: "\r") { line.removeLast() }
                    endLine(answered)
                    line.removeAll(keepingCapacity: true)
                }
            }
        }
    }

    private mutating func endLine(_ answered: (Int) -> Bool?) {
        if case .statusLine = phase {
            // Empty lines before an answer are not more wrong than before a request.
            if !line.isEmpty { readStatus() }
        } else if line.isEmpty {
            endHead(answered)
        } else {
            readField()
        }
    }

    private mutating func readStatus() {
        // HTTP/1.1 401, and perhaps a reason.
        guard line.starts(with: "HTTP/1.".utf8), line.count >= 12, line[8] == UInt8(ascii: " "),
            let status = Int(String(decoding: line[9..<12], as: UTF8.self)), (100...999).contains(status)
        else { return lose() }
        self.status = status
        (length, isChunked, hasUnknownLength) = (nil, false, false)
        phase = .fields
    }

    private mutating func readField() {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        let value = String(decoding: line[(colon + 1)...], as: UTF8.self).lowercased().filter {
            $0 != " " && $0 != "\t"
        }
        switch name {
        case "content-length":
            guard length == nil, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(value) else {
                hasUnknownLength = true
                return
            }
            length = number
        case "transfer-encoding":
            if value == "chunked", !isChunked { isChunked = true } else { hasUnknownLength = true }
        default: break
        }
    }

    private mutating func endHead(_ answered: (Int) -> Bool?) {
        guard let mayHaveBody = answered(status) else { return lose() }
        if (100..<200).contains(status) || !mayHaveBody || status == 204 || status == 304 {
            phase = .statusLine
        } else if hasUnknownLength || isChunked && length != nil {
            lose()
        } else if isChunked {
            phase = .chunks(ChunkedBody())
        } else if let length {
            phase = length > 0 ? .body(length) : .statusLine
        } else {
            // It ends with the connection.
            lose()
        }
    }
}

/// Finds the end of a body in chunks (RFC 9112 §7.1).
struct ChunkedBody: Sendable {
    private enum Phase {
        /// In a chunk's size: its value, the number of its digits, and whether they are over.
        case size(Int, digits: Int, isOver: Bool)
        case data(Int)
        /// Between a chunk's data and the next size.
        case behindData
        /// In the trailer: the bytes of the line so far.
        case trailer(Int)
        case over
    }

    private var phase = Phase.size(0, digits: 0, isOver: false)

    /// Whether the body has ended.
    var isOver: Bool {
        if case .over = phase { true } else { false }
    }

    /// Reads on.
    ///
    /// - Returns: How many of the bytes belong to the body; `nil` where they are none.
    mutating func read(_ bytes: ByteBufferView) -> Int? {
        var count = 0
        while count < bytes.count {
            let byte = bytes[bytes.startIndex + count]
            switch phase {
            case .over: return count
            case .data(let length):
                let part = min(length, bytes.count - count)
                count += part
                phase = length > part ? .data(length - part) : .behindData
                continue
            case .behindData:
                guard byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") else { return nil }
                if byte == UInt8(ascii: "\n") { phase = .size(0, digits: 0, isOver: false) }
            case .size(let size, let digits, let isOver):
                if byte == UInt8(ascii: "\n") {
                    guard digits > 0 else { return nil }
                    phase = size > 0 ? .data(size) : .trailer(0)
                } else if !isOver, let digit = ChunkedBody.digit(byte) {
                    guard digits < 15 else { return nil }
                    phase = .size(size << 4 | digit, digits: digits + 1, isOver: false)
                } else {
                    // An extension, a space, or the line's end.
                    guard digits > 0 else { return nil }
                    phase = .size(size, digits: digits, isOver: true)
                }
            case .trailer(let length):
                if byte == UInt8(ascii: "\n") {
                    phase = length == 0 ? .over : .trailer(0)
                } else if byte != UInt8(ascii: "\r") {
                    phase = .trailer(1)
                }
            }
            count += 1
        }
        return count
    }

    private static func digit(_ byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
