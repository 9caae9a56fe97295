import LifelineCore
import NIOCore

/// Follows a server's HTTP/1.1 responses far enough to tell which request each of them answers (RFC 9112 §6.3).
///
/// It gives up behind a response that only the end of the connection ends, and in what is not HTTP/1.1. What it keeps does not grow
/// with what passes.
struct ResponseFollower {
    private enum Phase {
        case statusLine
        case fields
        case body(Int)
        case chunks(HTTPChunkedBody)
        case givenUp
    }

    /// The most bytes of a line that are kept: more than any field that matters here needs.
    private static let lineLimit = 128
    /// The most `Content-Length` or `Transfer-Encoding` fields of a head.
    private static let maximumLengthFields = 8

    private var phase = Phase.statusLine
    /// The beginning of the line that is being read.
    private var line: [UInt8] = []
    private var isLineCut = false
    private var status = 0
    private var contentLength: [String] = []
    private var transferEncoding: [String] = []
    /// Whether a field that gives the length of the body could not be kept.
    private var hasUnknownLength = false

    /// Whether following has stopped.
    var hasGivenUp: Bool {
        if case .givenUp = phase { true } else { false }
    }

    /// Follows nothing any more.
    mutating func giveUp() {
        phase = .givenUp
    }

    /// Reads what the server has sent next.
    ///
    /// - Parameter onResponse: Called with the status of each response, interim ones (1xx) included. Returns whether the response may
    ///   have a body, or `nil` if it answers no request or another protocol follows.
    mutating func read(_ bytes: ByteBuffer, onResponse: (_ status: Int) -> Bool?) {
        var rest = bytes
        while rest.readableBytes > 0 {
            switch phase {
            case .givenUp: return
            case .body(let length):
                let count = min(length, rest.readableBytes)
                rest.moveReaderIndex(forwardBy: count)
                phase = length > count ? .body(length - count) : .statusLine
            case .chunks(var body):
                guard let count = rest.withUnsafeReadableBytes({ body.read($0) }) else { return giveUp() }
                rest.moveReaderIndex(forwardBy: count)
                phase = body.isComplete ? .statusLine : .chunks(body)
            case .statusLine, .fields:
                guard let byte = rest.readInteger(as: UInt8.self) else { return }
                if byte == UInt8(ascii: "\n") {
                    if line.last == UInt8(ascii: "\r") { line.removeLast() }
                    endLine(onResponse)
                    line.removeAll(keepingCapacity: true)
                    isLineCut = false
                } else if line.count < ResponseFollower.lineLimit {
                    line.append(byte)
                } else {
                    isLineCut = true
                }
            }
        }
    }

    private mutating func endLine(_ onResponse: (Int) -> Bool?) {
        if case .statusLine = phase {
            // Empty lines before a response are tolerated, as before a request (RFC 9112 §2.2).
            if !line.isEmpty { readStatus() }
        } else if line.isEmpty {
            endHead(onResponse)
        } else {
            readField()
        }
    }

    private mutating func readStatus() {
        guard let line = HTTPStatusLine(line), line.version.hasPrefix("HTTP/1.") else { return giveUp() }
        status = line.code
        contentLength = []
        transferEncoding = []
        hasUnknownLength = false
        phase = .fields
    }

    private mutating func readField() {
        guard let field = HTTPFieldLine(line) else { return }
        let value = String(decoding: field.value, as: UTF8.self)
        switch String(decoding: field.name, as: UTF8.self).lowercased() {
        case "content-length": contentLength.append(value)
        case "transfer-encoding": transferEncoding.append(value)
        default: return
        }
        if isLineCut || contentLength.count + transferEncoding.count > ResponseFollower.maximumLengthFields {
            hasUnknownLength = true
            contentLength = []
            transferEncoding = []
        }
    }

    private mutating func endHead(_ onResponse: (Int) -> Bool?) {
        guard let mayHaveBody = onResponse(status) else { return giveUp() }
        if (100..<200).contains(status) || !mayHaveBody || status == 204 || status == 304 {
            phase = .statusLine
            return
        }
        let length =
            hasUnknownLength
            ? nil : try? HTTPBodyLength(contentLength: contentLength, transferEncoding: transferEncoding)
        switch length {
        case .bytes(let count): phase = count > 0 ? .body(count) : .statusLine
        case .chunked: phase = .chunks(HTTPChunkedBody())
        // Only the end of the connection ends the body, or its end is unknown.
        case .absent, .untilEnd, nil: giveUp()
        }
    }
}
