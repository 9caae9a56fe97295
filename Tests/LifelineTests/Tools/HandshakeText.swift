/// The heads of the opening handshake as text, so that a test can bend one line of them
/// ([RFC 6455 §1.2](https://www.rfc-editor.org/rfc/rfc6455#section-1.2)).
struct HandshakeText: Sendable {
    var startLine: String
    var fields: [String]

    /// The RFC's example of a request, without what is optional.
    static func request(_ path: String) -> HandshakeText {
        HandshakeText(
            startLine: "GET \(path) HTTP/1.1",
            fields: [
                "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
            ])
    }

    /// An ordinary request for a page.
    static func page(_ path: String) -> HandshakeText {
        HandshakeText(startLine: "GET \(path) HTTP/1.1", fields: ["Host: server.example.com"])
    }

    /// The answer that opens a connection.
    static func switchingProtocols(accept: String) -> HandshakeText {
        HandshakeText(
            startLine: "HTTP/1.1 101 Switching Protocols",
            fields: ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: \(accept)"])
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

extension RawPeer {
    /// Sends a head.
    func send(_ head: HandshakeText) {
        send(head.bytes)
    }

    /// The head that has arrived, which is forgotten here, and what is behind it is kept; `nil` where none is complete.
    func takeHead() -> String? {
        let bytes = takeBytes()
        let places = 0..<max(bytes.count - 3, 0)
        let end = places.first { bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10 }
        guard let end else {
            giveBack(bytes)
            return nil
        }
        giveBack(Array(bytes[(end + 4)...]))
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}
