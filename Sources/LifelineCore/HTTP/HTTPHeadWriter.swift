import HTTPTypes

/// Writes HTTP/1.1 heads ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).
///
/// swift-http-types keeps line breaks and other control characters out of names and values. The code that builds a request checks its
/// target and authority.
enum HTTPHeadWriter {
    /// Returns a request's head, with its authority as the Host field.
    static func encode(_ request: HTTPRequest) -> [UInt8] {
        var head = "\(request.method.rawValue) \(request.path ?? "/") HTTP/1.1\r\n"
        head += "Host: \(request.authority ?? "")\r\n"
        return encode(head, request.headerFields)
    }

    /// Returns a response's head.
    static func encode(_ response: HTTPResponse) -> [UInt8] {
        let status = response.status
        return encode("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n", response.headerFields)
    }

    private static func encode(_ startLine: String, _ fields: HTTPFields) -> [UInt8] {
        var head = Array(startLine.utf8)
        for field in fields {
            head += field.name.rawName.utf8
            head += ": ".utf8
            field.withUnsafeBytesOfValue { head += $0 }
            head += "\r\n".utf8
        }
        head += "\r\n".utf8
        return head
    }
}
