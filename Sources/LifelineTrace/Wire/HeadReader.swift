import Lifeline

/// Collects the head of an HTTP/1.1 message from bytes that arrive in pieces, and parses it leniently (RFC 9112).
///
/// An observer may be lenient, since it only reports what the client and the server have agreed on. The grammar of the lines is that
/// of the strict parser in LifelineCore.
struct HeadReader {
    /// The most bytes of a head.
    static let limit = 64 << 10

    /// The result of reading so far.
    enum Progress {
        /// The head is complete. The number is how many of the bytes passed last belong to it.
        case complete(TraceEvent.HTTPHead, used: Int)
        /// The head has not ended.
        case incomplete
        /// The bytes are not a valid head; the text says why.
        case failed(String)
    }

    private var bytes: [UInt8] = []
    private var scanner = HTTPHeadScanner(.lenient)

    /// Reads on.
    mutating func read(_ input: UnsafeRawBufferPointer, isRequest: Bool) -> Progress {
        // Empty lines before a head do not belong to it (RFC 9112 §2.2).
        let skipped = bytes.isEmpty ? input.prefix { $0 == 0x0D || $0 == 0x0A }.count : 0
        let rest = UnsafeRawBufferPointer(rebasing: input.dropFirst(skipped).prefix(HeadReader.limit - bytes.count + 1))
        let progress = scanner.scan(rest)
        if case .complete(let length) = progress, bytes.count + length <= HeadReader.limit {
            bytes += rest[..<length]
            defer { self = HeadReader() }
            guard let head = parse(isRequest: isRequest) else { return .failed("it is not HTTP/1.1") }
            return .complete(head, used: skipped + length)
        }
        guard progress != .notHTTP else { return .failed("it is not HTTP/1.1") }
        bytes += rest
        return bytes.count > HeadReader.limit
            ? .failed("its head has more than \(HeadReader.limit >> 10) KiB") : .incomplete
    }

    private func parse(isRequest: Bool) -> TraceEvent.HTTPHead? {
        let lines = bytes.split(separator: 0x0A).map { $0.last == 0x0D ? $0.dropLast() : $0 }.filter { !$0.isEmpty }
        guard let first = lines.first else { return nil }
        var head = TraceEvent.HTTPHead()
        if isRequest {
            guard let line = HTTPRequestLine(first), line.version.hasPrefix("HTTP/1.") else { return nil }
            head.method = line.method
            head.target = line.target
        } else {
            guard let line = HTTPStatusLine(first), line.version.hasPrefix("HTTP/1.") else { return nil }
            head.status = line.code
            head.reason = line.reason
        }
        head.fields = lines.dropFirst().compactMap { line in
            HTTPFieldLine(line).map {
                TraceEvent.HTTPHead.Field(
                    name: String(decoding: $0.name, as: UTF8.self), value: String(decoding: $0.value, as: UTF8.self))
            }
        }
        if isRequest { head.authority = head["Host"] }
        return head
    }
}

extension TraceEvent.HTTPHead {
    /// Returns the values of all fields with a name, whatever its case.
    func values(_ name: String) -> [String] {
        fields.filter { HTTPSyntax.isEqualIgnoringCase($0.name, name) }.map(\.value)
    }

    /// Whether the head asks for a WebSocket, or grants one.
    var isUpgrade: Bool {
        HTTPSyntax.listMembers(of: values("Upgrade")).contains { HTTPSyntax.isEqualIgnoringCase($0, "websocket") }
    }

    /// Where the body ends; `nil` if the head contradicts itself.
    var bodyLength: HTTPBodyLength? {
        try? HTTPBodyLength(
            contentLength: values("Content-Length"), transferEncoding: values("Transfer-Encoding"),
            tolerating: .repeatedLengths)
    }
}
