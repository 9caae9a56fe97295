package import NIOCore

/// Replaces the value of `Host` in the requests of a client (RFC 9112 §3.2), and passes every other byte on as it is, at once.
///
/// It follows HTTP/1.1 only as far as it must to find where the next request begins. Where it cannot tell, it changes nothing
/// any more: behind a request for another protocol (`Upgrade`, `CONNECT`), behind a body whose length is not announced, and
/// in what is no HTTP/1.1. What it keeps does not grow with what passes.
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
            case .body(let length):
                let count = min(length, rest.readableBytes)
                if var part = rest.readSlice(length: count) { output.writeBuffer(&part) }
                if length > count { phase = .body(length - count) } else { beginRequest() }
            default:
                if let byte = rest.readInteger(as: UInt8.self) { read(byte, &output) }
            }
        }
        return output
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
        case .body, .untouched: break
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
            phase = isRequest && !lineStart.elementsEqual("CONNECT ".utf8) ? .name : .untouched
            return
        }
        lineLength += 1
        if lineStart.count < 8 { lineStart.append(byte) }
        lineEnd.append(byte)
        if lineEnd.count > 10 { lineEnd.removeFirst() }
        if lineLength > HostRewriter.lineLimit { phase = .untouched }
    }

    // MARK: The fields

    private mutating func readName(_ byte: UInt8, _ output: inout ByteBuffer) {
        let isSpace = byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
        if isSpace, name.isEmpty, field == .host {
            phase = .foldedHost
            return
        }
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
            case .transferEncoding: head.hasUnknownLength = true
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
        case UInt8(ascii: "0")...UInt8(ascii: "9") where field == .contentLength:
            let (tens, overflows) = (head.length ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            head.length = sum
            if overflows || overflowsToo { head.hasUnknownLength = true }
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
        default: if field == .contentLength { head.hasUnknownLength = true }
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
        let head = head
        beginRequest()
        if head.isUpgrade || head.hasUnknownLength {
            phase = .untouched
        } else if let length = head.length, length > 0 {
            phase = .body(length)
        }
    }
}
