import LifelineCore

/// The heads of the opening handshake as text, line by line, so that a test can bend one line of them
/// ([RFC 6455 §1.2](https://www.rfc-editor.org/rfc/rfc6455#section-1.2)).
struct HandshakeText: Sendable {
    /// The key of the RFC's example.
    static let exampleKey = "dGhlIHNhbXBsZSBub25jZQ=="
    /// The answer to ``exampleKey`` that the RFC gives (§1.3).
    static let exampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    var startLine: String
    var fields: [String]

    /// The RFC's example of a request, without what is optional.
    static var request: HandshakeText {
        HandshakeText(
            startLine: "GET /chat HTTP/1.1",
            fields: [
                "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: \(exampleKey)", "Sec-WebSocket-Version: 13",
            ])
    }

    /// The answer that opens a connection.
    static func switchingProtocols(accept: String) -> HandshakeText {
        HandshakeText(
            startLine: "HTTP/1.1 101 Switching Protocols",
            fields: ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: \(accept)"])
    }

    /// An ordinary request for a page.
    static var plainRequest: HandshakeText {
        HandshakeText(startLine: "GET /health HTTP/1.1", fields: ["Host: server.example.com"])
    }

    /// The head with another first line.
    func startLine(_ line: String) -> HandshakeText {
        HandshakeText(startLine: line, fields: fields)
    }

    /// The head without the fields of a name.
    func without(_ name: String) -> HandshakeText {
        HandshakeText(startLine: startLine, fields: fields.filter { !$0.hasPrefix(name + ":") })
    }

    /// The head with more lines at its end.
    func adding(_ lines: String...) -> HandshakeText {
        HandshakeText(startLine: startLine, fields: fields + lines)
    }

    /// The head with another value for a field.
    func replacing(_ name: String, with value: String) -> HandshakeText {
        without(name).adding("\(name): \(value)")
    }

    var text: String { ([startLine] + fields).map { $0 + "\r\n" }.joined() + "\r\n" }

    var bytes: [UInt8] { Array(text.utf8) }
}

/// An HTTP message that an endpoint wrote, read without the core's own code.
struct HTTPText: Hashable {
    var startLine: String
    var fields: [String: [String]]
    var body: String

    /// Reads one message; its body is the rest, or as much of it as the message announces.
    ///
    /// - Returns: The message, and the bytes behind it.
    static func parse(_ bytes: [UInt8]) throws -> (message: HTTPText, rest: [UInt8]) {
        let end = try headEnd(bytes)
        let lines = String(decoding: bytes[..<(end - 4)], as: UTF8.self).split(
            separator: "\r\n", omittingEmptySubsequences: false)
        var fields: [String: [String]] = [:]
        for line in lines.dropFirst() {
            guard let separator = line.firstIndex(of: ":") else { throw WireFrame.Incomplete() }
            let value = line[separator...].dropFirst(2)
            fields[line[..<separator].lowercased(), default: []].append(String(value))
        }
        let rest = bytes[end...]
        let length = fields["content-length"]?.first.flatMap { Int($0) } ?? 0
        return (
            HTTPText(
                startLine: String(lines.first ?? ""), fields: fields,
                body: String(decoding: rest.prefix(length), as: UTF8.self)), Array(rest.dropFirst(length))
        )
    }

    private static func headEnd(_ bytes: [UInt8]) throws -> Int {
        guard bytes.count >= 4 else { throw WireFrame.Incomplete() }
        for end in 4...bytes.count where bytes[(end - 4)..<end].elementsEqual([13, 10, 13, 10]) { return end }
        throw WireFrame.Incomplete()
    }

    /// The status code, or 0 where the message is none of a server's.
    var status: Int {
        startLine.hasPrefix("HTTP/1.1 ") ? Int(startLine.dropFirst(9).prefix(3)) ?? 0 : 0
    }

    /// The value of a field, which must stand once.
    subscript(name: String) -> String? {
        guard let values = fields[name.lowercased()], values.count == 1 else { return nil }
        return values[0]
    }
}
