/// The heads of the opening handshake as text, line by line, so that a test can bend one line of them
/// ([RFC 6455 §1.2](https://www.rfc-editor.org/rfc/rfc6455#section-1.2)).
package struct HandshakeText: Sendable {
    /// The key of the RFC's example.
    package static let exampleKey = "dGhlIHNhbXBsZSBub25jZQ=="
    /// The answer to ``exampleKey`` that the RFC gives (§1.3).
    package static let exampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    package var startLine: String
    package var fields: [String]

    package init(startLine: String, fields: [String]) {
        self.startLine = startLine
        self.fields = fields
    }

    /// The RFC's example of a request, without what is optional.
    package static var request: HandshakeText { request("/chat") }

    /// The RFC's example of a request for another path, without what is optional.
    package static func request(_ path: String) -> HandshakeText {
        HandshakeText(
            startLine: "GET \(path) HTTP/1.1",
            fields: [
                "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: \(exampleKey)", "Sec-WebSocket-Version: 13",
            ])
    }

    /// The answer that opens a connection.
    package static func switchingProtocols(accept: String) -> HandshakeText {
        HandshakeText(
            startLine: "HTTP/1.1 101 Switching Protocols",
            fields: ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: \(accept)"])
    }

    /// An ordinary request for a page.
    package static var plainRequest: HandshakeText { page("/health") }

    /// An ordinary request for a page.
    package static func page(_ path: String) -> HandshakeText {
        HandshakeText(startLine: "GET \(path) HTTP/1.1", fields: ["Host: server.example.com"])
    }

    /// The head with another first line.
    package func startLine(_ line: String) -> HandshakeText {
        HandshakeText(startLine: line, fields: fields)
    }

    /// The head without the fields of a name.
    package func without(_ name: String) -> HandshakeText {
        HandshakeText(startLine: startLine, fields: fields.filter { !$0.hasPrefix(name + ":") })
    }

    /// The head with more lines at its end.
    package func adding(_ lines: String...) -> HandshakeText {
        HandshakeText(startLine: startLine, fields: fields + lines)
    }

    /// The head with another value for a field.
    package func replacing(_ name: String, with value: String) -> HandshakeText {
        without(name).adding("\(name): \(value)")
    }

    package var text: String { ([startLine] + fields).map { $0 + "\r\n" }.joined() + "\r\n" }

    package var bytes: [UInt8] { Array(text.utf8) }
}

/// An HTTP message that an endpoint wrote, read without the library's own code.
package struct HTTPText: Hashable {
    package var startLine: String
    package var fields: [String: [String]]
    package var body: String

    package init(startLine: String, fields: [String: [String]], body: String) {
        self.startLine = startLine
        self.fields = fields
        self.body = body
    }

    /// Reads one message; its body is the rest, or as much of it as the message announces.
    ///
    /// - Returns: The message, and the bytes behind it.
    package static func parse(_ bytes: [UInt8]) throws -> (message: HTTPText, rest: [UInt8]) {
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
    package var status: Int {
        startLine.hasPrefix("HTTP/1.1 ") ? Int(startLine.dropFirst(9).prefix(3)) ?? 0 : 0
    }

    /// The value of a field, which must stand once.
    package subscript(name: String) -> String? {
        guard let values = fields[name.lowercased()], values.count == 1 else { return nil }
        return values[0]
    }
}
