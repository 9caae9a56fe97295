/// Collects the head of an HTTP/1.1 message from bytes that arrive in pieces, and reads it with more patience than a side of
/// the connection could have (RFC 9112).
struct HeadReader {
    /// The most bytes of a head.
    static let limit = 64 << 10

    /// What the bytes so far amount to.
    enum Progress {
        /// A head, and how many of the bytes given last belong to it.
        case complete(TraceEvent.HTTPHead, used: Int)
        /// It has not ended.
        case incomplete
        /// It is no head, and why.
        case failed(String)
    }

    private var bytes: [UInt8] = []

    /// Reads on.
    mutating func read(_ input: UnsafeRawBufferPointer, isRequest: Bool) -> Progress {
        for (offset, byte) in input.enumerated() {
            // A TLS ClientHello, say.
            guard byte >= 0x20 || byte == 0x0D || byte == 0x0A || byte == 0x09 else {
                return .failed("it is no HTTP/1.1")
            }
            // The empty lines before a head are none of it (RFC 9112 §2.2).
            if bytes.isEmpty, byte == 0x0D || byte == 0x0A { continue }
            bytes.append(byte)
            guard bytes.count <= HeadReader.limit else { return .failed("its head has more than 64 KiB") }
            if byte == 0x0A, endsHead {
                guard let head = parse(isRequest: isRequest) else { return .failed("it is no HTTP/1.1") }
                bytes = []
                return .complete(head, used: offset + 1)
            }
        }
        return .incomplete
    }

    /// Whether the last line, whose end was read, is empty.
    private var endsHead: Bool {
        // The last three bytes alone are looked at: a head may be nothing but ends of lines.
        let last = bytes.count - 1
        guard last > 0 else { return false }
        return bytes[last - 1] == 0x0A || last > 1 && bytes[last - 1] == 0x0D && bytes[last - 2] == 0x0A
    }

    private func parse(isRequest: Bool) -> TraceEvent.HTTPHead? {
        let lines = bytes.split(separator: 0x0A).map { line -> String in
            String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
        }.filter { !$0.isEmpty }
        guard let first = lines.first else { return nil }
        let parts = first.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        var head = TraceEvent.HTTPHead()
        if isRequest {
            guard parts.count == 3, !parts[0].isEmpty, parts[2].hasPrefix("HTTP/1.") else { return nil }
            head.method = String(parts[0])
            head.target = String(parts[1])
        } else {
            guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]),
                (100...999).contains(status)
            else { return nil }
            head.status = status
            head.reason = parts.count > 2 ? String(parts[2]) : ""
        }
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            head.fields.append(
                TraceEvent.HTTPHead.Field(name: String(line[..<colon]), value: String(value).trimmed))
        }
        if isRequest { head.authority = head["Host"] }
        return head
    }
}

extension TraceEvent.HTTPHead {
    /// Whether one of the fields' members is a word, whatever its case (RFC 9110 §5.6.1).
    func has(_ member: String, in name: String) -> Bool {
        values(name).contains { value in
            value.split(separator: ",").contains { String($0).trimmed.lowercased() == member }
        }
    }

    /// The values of all fields with a name.
    func values(_ name: String) -> [String] {
        fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }

    /// Whether it asks for a WebSocket, or grants one.
    var isUpgrade: Bool { has("websocket", in: "Upgrade") }
}
