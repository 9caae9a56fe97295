import LifelineCore
package import NIOCore

/// Replaces the value of `Host` in a client's requests (RFC 9112 §3.2), and passes every other byte on unchanged and at once.
///
/// It follows HTTP/1.1 only far enough to find where the next request begins. If it cannot tell, it changes nothing any more: after a
/// `CONNECT`, after a body whose length is unknown, and in what is not HTTP/1.1. After a request for another protocol (`Upgrade`) the
/// server's response decides (``follow(_:)``). If the server refuses, as with 401, another request follows. If it switches protocols,
/// or the client sends before the response, nothing is changed any more. What the rewriter keeps does not grow with what passes.
package struct HostRewriter: Sendable {
    private enum Phase {
        /// In a request's first line, or in the empty lines before it (RFC 9112 §2.2).
        case requestLine
        /// At the beginning of another line of the head, or in a field's name.
        case name
        /// Between the colon after `Host` and its value.
        case beforeHost
        /// In the value of `Host`, which is dropped; whether the last byte was a carriage return.
        case host(endsWithReturn: Bool)
        /// In a line that continues the value (RFC 9112 §5.2), and is dropped too.
        case foldedHost
        /// In another field's value.
        case value
        /// In a body with this many bytes left.
        case body(Int)
        /// In a chunked body.
        case chunks(HTTPChunkedBody)
        /// After a request for another protocol that has not been answered.
        case awaitingResponse
        /// Rewriting has stopped.
        case givenUp
    }

    /// The fields that matter here.
    private enum Field: String {
        case host
        case upgrade
        case contentLength = "content-length"
        case transferEncoding = "transfer-encoding"
        case other
    }

    /// What has been read of the current request's head.
    private struct Head {
        var isUpgrade = false
        var contentLength: [String] = []
        var transferEncoding: [String] = []
        /// Whether a field that gives the length of the body was too long, repeated too often, or folded.
        var hasUnknownLength = false
    }

    /// The most bytes of a request's first line.
    private static let lineLimit = 64 << 10
    /// The length of the longest relevant field name.
    private static let nameLimit = "transfer-encoding".utf8.count
    /// The most bytes of a value that gives the length of the body.
    private static let valueLimit = 128
    /// The most `Content-Length` or `Transfer-Encoding` fields of a head.
    private static let maximumLengthFields = 8

    private let authority: [UInt8]
    private var phase = Phase.requestLine
    private var head = Head()
    /// The field of the last line that has a name.
    private var field = Field.other
    /// The beginning of the next field's name in lower case: at most one byte more than the longest name that matters.
    private var name: [UInt8] = []
    /// The value of `Content-Length` or `Transfer-Encoding` so far.
    private var value: [UInt8] = []
    /// The request's first line so far, without its line break: its length, its first bytes and its last bytes.
    private var lineLength = 0
    private var lineStart: [UInt8] = []
    private var lineEnd: [UInt8] = []

    /// A request that has not been answered.
    private struct Request {
        var isUpgrade: Bool
        /// Whether it is a `HEAD` request, whose response has no body.
        var isHead: Bool
    }

    /// The most requests that may wait for their responses.
    private static let requestLimit = 1000

    private var requests = CircularBuffer<Request>()
    private var responses = ResponseFollower()

    /// Creates a rewriter.
    ///
    /// - Parameter authority: The value that replaces the client's.
    package init(authority: String) {
        self.authority = Array(authority.utf8)
    }

    /// Returns what to pass on of the bytes that the client has sent next.
    package mutating func rewrite(_ bytes: ByteBuffer) -> ByteBuffer {
        if case .givenUp = phase { return bytes }
        var rest = bytes
        var output = ByteBuffer()
        output.reserveCapacity(bytes.readableBytes + authority.count)
        while rest.readableBytes > 0 {
            switch phase {
            case .givenUp: output.writeBuffer(&rest)
            case .awaitingResponse: giveUp()
            case .chunks(var body):
                guard let count = rest.withUnsafeReadableBytes({ body.read($0) }) else {
                    giveUp()
                    continue
                }
                if var part = rest.readSlice(length: count) { output.writeBuffer(&part) }
                if body.isComplete { endRequest() } else { phase = .chunks(body) }
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

    /// Reads what the server has sent next. Call this before passing the bytes on.
    package mutating func follow(_ bytes: ByteBuffer) {
        guard !responses.hasGivenUp else { return }
        var switches = false
        var refused = false
        responses.read(bytes) { status in
            if status == 101 {
                switches = true
                return nil
            }
            // The final response follows (RFC 9110 §15.2).
            if (100..<200).contains(status) { return requests.isEmpty ? nil : true }
            guard let request = requests.popFirst() else { return nil }
            refused = refused || request.isUpgrade
            return !request.isHead
        }
        if switches { return giveUp() }
        if refused, case .awaitingResponse = phase { beginRequest() }
    }

    /// Stops rewriting for good.
    private mutating func giveUp() {
        phase = .givenUp
        responses.giveUp()
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
            if HTTPSyntax.isWhitespace(byte) {
                output.writeInteger(byte)
            } else {
                output.writeBytes(authority)
                readHost(byte, afterReturn: false, &output)
            }
        case .host(let endsWithReturn): readHost(byte, afterReturn: endsWithReturn, &output)
        case .foldedHost: if byte == UInt8(ascii: "\n") { phase = .name }
        case .body, .chunks, .awaitingResponse, .givenUp: break
        }
    }

    // MARK: The first line

    private mutating func beginRequest() {
        phase = .requestLine
        head = Head()
        field = .other
        name = []
        value = []
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
        let isSpace = HTTPSyntax.isWhitespace(byte)
        if isSpace, name.isEmpty, field == .host {
            phase = .foldedHost
            return
        }
        // A folded value that gives the length of the body is not understood.
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
            if field == .upgrade { head.isUpgrade = true }
        default:
            if name.count <= HostRewriter.nameLimit { name.append(HTTPSyntax.lowercased(byte)) }
        }
    }

    private mutating func readValue(_ byte: UInt8) {
        guard byte != UInt8(ascii: "\n") else {
            endValue()
            phase = .name
            return
        }
        guard field == .contentLength || field == .transferEncoding, byte != UInt8(ascii: "\r") else { return }
        if value.count < HostRewriter.valueLimit { value.append(byte) } else { head.hasUnknownLength = true }
    }

    private mutating func endValue() {
        let text = String(decoding: value, as: UTF8.self)
        value = []
        switch field {
        case .contentLength: head.contentLength.append(text)
        case .transferEncoding: head.transferEncoding.append(text)
        case .host, .upgrade, .other: return
        }
        if head.contentLength.count + head.transferEncoding.count > HostRewriter.maximumLengthFields {
            head = Head(isUpgrade: head.isUpgrade, hasUnknownLength: true)
        }
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
        let announced =
            head.hasUnknownLength
            ? nil : try? HTTPBodyLength(contentLength: head.contentLength, transferEncoding: head.transferEncoding)
        guard let length = announced, length != .untilEnd else { return giveUp() }
        if requests.count < HostRewriter.requestLimit {
            requests.append(
                Request(isUpgrade: head.isUpgrade, isHead: lineStart.starts(with: "HEAD ".utf8)))
        } else {
            responses.giveUp()
        }
        switch length {
        case .chunked: phase = .chunks(HTTPChunkedBody())
        case .bytes(let count) where count > 0: phase = .body(count)
        case .bytes, .absent, .untilEnd: endRequest()
        }
    }

    private mutating func endRequest() {
        let isUpgrade = head.isUpgrade
        beginRequest()
        guard isUpgrade else { return }
        // The response may have come while the body was being sent.
        phase = requests.contains { $0.isUpgrade } ? .awaitingResponse : .requestLine
    }
}
