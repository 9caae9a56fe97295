package import NIOCore

/// Replaces the value of `Host` in the requests of a client (RFC 9112 §3.2), and passes every other byte on as it is, at once.
///
/// It follows HTTP/1.1 only as far as it must to find where the next request begins. Where it cannot tell, it changes nothing
/// any more: behind a `CONNECT`, behind a body whose length is not announced, and in what is no HTTP/1.1. Behind a request for
/// another protocol (`Upgrade`) the server's answer decides (``follow(_:)``): another request follows where it refuses, as with 401,
/// and nothing that is understood where it switches, or where the client does not wait for the answer. What it keeps does not grow
/// with what passes.
package struct HostRewriter: Sendable {
    private enum Phase {
        /// In the first line of a request, or the empty lines before it (RFC 9112 §2.2).
        case requestLine
        /// At the beginning of another line of the head, or in a field's name there.
        case name
        /// Between the colon behind `Host` and its value.
        case beforeHost
        /// In its value, which goes nowhere; and whether the last byte was a carriage return.
        case host(endsWithReturn: Bool)
        /// In a line that continues it (RFC 9112 §5.2), and goes nowhere either.
        case foldedHost
        /// In another field's value.
        case value
        /// In a body that has so many more bytes.
        case body(Int)
        /// In a body in chunks.
        case chunks(ChunkedBody)
        /// Behind a request for another protocol that has not been answered.
        case awaitingAnswer
        /// Behind all that is understood.
        case untouched
    }

    /// The fields that mean something here.
    private enum Field: String {
        case host
        case upgrade
        case contentLength = "content-length"
        case transferEncoding = "transfer-encoding"
        case other
    }

    /// What is known of the request's head.
    private struct Head {
        var isUpgrade = false
        var hasUnknownLength = false
        /// The value of `Transfer-Encoding`, in small letters; one byte more than `chunked` at most.
        var codings: [UInt8]?
        var length: Int?
    }

    /// The most bytes of a line that is looked at for a request's first.
    private static let lineLimit = 64 << 10
    /// The longest name that means something here has this many bytes.
    private static let nameLimit = "transfer-encoding".utf8.count

    private let authority: [UInt8]
    private var phase = Phase.requestLine
    private var head = Head()
    /// The field of the last line that has a name.
    private var field = Field.other
    /// The next one's name so far in small letters, up to one byte more than the longest that means
    /// something.
    private var name: [UInt8] = []
    /// The bytes of the request's first line so far, without its end: how many, the first, and the last.
    private var lineLength = 0
    private var lineStart: [UInt8] = []
    private var lineEnd: [UInt8] = []

    /// A request that has not been answered.
    private struct Request {
        var isUpgrade: Bool
        /// Whether it asks for a head alone.
        var isHead: Bool
    }

    /// The most requests that may wait for their answers.
    private static let requestLimit = 1000

    private var requests = CircularBuffer<Request>()
    private var answers = AnswerFollower()

    /// - Parameter authority: What takes the value's place.
    package init(authority: String) {
        self.authority = Array(authority.utf8)
    }

    /// What is to be passed on of what a client has sent next.
    package mutating func rewrite(_ bytes: ByteBuffer) -> ByteBuffer {
        if case .untouched = phase { return bytes }
        var rest = bytes
        var output = ByteBuffer()
        output.reserveCapacity(bytes.readableBytes + authority.count)
        while rest.readableBytes > 0 {
            switch phase {
            case .untouched: output.writeBuffer(&rest)
            case .awaitingAnswer: giveUp()
            case .chunks(var body):
                guard let count = body.read(rest.readableBytesView) else {
                    giveUp()
                    continue
                }
                if var part = rest.readSlice(length: count) { output.writeBuffer(&part) }
                if body.isOver { endRequest() } else { phase = .chunks(body) }
            case .body(let length):
                let count = min(length, rest.readableBytes)
                if var part = rest.readSlice(length: count) { output.writeBuffer(&part) }
                if length > count { phase = .body(length - count) } else { endRequest() }
            default:
                if let byte = rest.readInteger(as: UInt8.self) { read(byte, &output) }
            }
        }
        return output
    }

    /// Reads along with what the server has sent next, before that is passed on.
    package mutating func follow(_ bytes: ByteBuffer) {
        guard !answers.isLost else { return }
        var switches = false
        var refused = false
        answers.read(bytes) { status in
            if status == 101 {
                switches = true
                return nil
            }
            // Another answer follows (RFC 9110 §15.2).
            if (100..<200).contains(status) { return requests.isEmpty ? nil : true }
            guard let request = requests.popFirst() else { return nil }
            refused = refused || request.isUpgrade
            return !request.isHead
        }
        if switches { return giveUp() }
        if refused, case .awaitingAnswer = phase { beginRequest() }
    }

    /// Changes nothing any more.
    private mutating func giveUp() {
        phase = .untouched
        answers.lose()
        requests = CircularBuffer()
    }

    private mutating func read(_ byte: UInt8, _ output: inout ByteBuffer) {
        switch phase {
        case .requestLine:
            output.writeInteger(byte)
            readRequestLine(byte)
        case .name: readName(byte, &output)
        case .value:
            output.writeInteger(byte)
            readValue(byte)
        case .beforeHost:
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
                output.writeInteger(byte)
            } else {
                output.writeBytes(authority)
                readHost(byte, afterReturn: false, &output)
            }
        case .host(let endsWithReturn): readHost(byte, afterReturn: endsWithReturn, &output)
        case .foldedHost: if byte == UInt8(ascii: "\n") { phase = .name }
        case .body, .chunks, .awaitingAnswer, .untouched: break
        }
    }

    // MARK: The first line

    private mutating func beginRequest() {
        phase = .requestLine
        head = Head()
        field = .other
        name = []
        lineLength = 0
        lineStart = []
        lineEnd = []
    }

    private mutating func readRequestLine(_ byte: UInt8) {
        if byte == UInt8(ascii: "\n") {
            if lineEnd.last == UInt8(ascii: "\r") {
                lineEnd.removeLast()
                lineLength -= 1
            }
            guard lineLength > 0 else { return beginRequest() }
            let isRequest = lineEnd.count >= 9 && lineEnd.suffix(9).starts(with: " HTTP/1.".utf8)
            if isRequest, !lineStart.elementsEqual("CONNECT ".utf8) { phase = .name } else { giveUp() }
            return
        }
        lineLength += 1
        if lineStart.count < 8 { lineStart.append(byte) }
        lineEnd.append(byte)
        if lineEnd.count > 10 { lineEnd.removeFirst() }
        if lineLength > HostRewriter.lineLimit { giveUp() }
    }

    // MARK: The fields

    private mutating func readName(_ byte: UInt8, _ output: inout ByteBuffer) {
        let isSpace = byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
        if isSpace, name.isEmpty, field == .host {
            phase = .foldedHost
            return
        }
        // The same for a value that says where the body ends, which is not understood then.
        if isSpace, name.isEmpty, field == .contentLength || field == .transferEncoding { head.hasUnknownLength = true }
        output.writeInteger(byte)
        switch byte {
        case UInt8(ascii: "\n"):
            if name.isEmpty || name == [UInt8(ascii: "\r")] { endHead() }
            name = []
        case UInt8(ascii: ":"):
            field = Field(rawValue: String(decoding: name, as: UTF8.self)) ?? .other
            name = []
            phase = field == .host ? .beforeHost : .value
            switch field {
            case .upgrade: head.isUpgrade = true
            case .transferEncoding where head.codings != nil: head.hasUnknownLength = true
            case .transferEncoding: head.codings = []
            // One that is there twice is not believed.
            case .contentLength where head.length != nil: head.hasUnknownLength = true
            case .contentLength: head.length = 0
            case .host, .other: break
            }
        default:
            let isCapital = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            if name.count <= HostRewriter.nameLimit { name.append(isCapital ? byte | 0x20 : byte) }
        }
    }

    private mutating func readValue(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\n"): phase = .name
        case _ where field == .transferEncoding: readCoding(byte)
        case UInt8(ascii: "0")...UInt8(ascii: "9") where field == .contentLength:
            let (tens, overflows) = (head.length ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            head.length = sum
            if overflows || overflowsToo { head.hasUnknownLength = true }
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
        default: if field == .contentLength { head.hasUnknownLength = true }
        }
    }

    private mutating func readCoding(_ byte: UInt8) {
        guard byte != UInt8(ascii: " "), byte != UInt8(ascii: "\t"), byte != UInt8(ascii: "\r") else { return }
        if (head.codings?.count ?? 0) <= "chunked".utf8.count { head.codings?.append(byte | 0x20) }
    }

    private mutating func readHost(_ byte: UInt8, afterReturn: Bool, _ output: inout ByteBuffer) {
        if byte == UInt8(ascii: "\n") {
            if afterReturn { output.writeInteger(UInt8(ascii: "\r")) }
            output.writeInteger(byte)
            phase = .name
        } else {
            phase = .host(endsWithReturn: byte == UInt8(ascii: "\r"))
        }
    }

    private mutating func endHead() {
        guard !head.hasUnknownLength, head.codings == nil || head.length == nil else { return giveUp() }
        if requests.count < HostRewriter.requestLimit {
            requests.append(
                Request(isUpgrade: head.isUpgrade, isHead: lineStart.starts(with: "HEAD ".utf8)))
        } else {
            answers.lose()
        }
        if let codings = head.codings {
            guard codings.elementsEqual("chunked".utf8) else { return giveUp() }
            phase = .chunks(ChunkedBody())
        } else if let length = head.length, length > 0 {
            phase = .body(length)
        } else {
            endRequest()
        }
    }

    private mutating func endRequest() {
        let isUpgrade = head.isUpgrade
        beginRequest()
        guard isUpgrade else { return }
        // The answer may have come while the body was under way.
        phase = requests.contains { $0.isUpgrade } ? .awaitingAnswer : .requestLine
    }
}
