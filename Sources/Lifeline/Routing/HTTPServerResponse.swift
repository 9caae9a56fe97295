public import HTTPTypes

/// A response to an ordinary HTTP request, such as one for a page or a health check.
public struct HTTPServerResponse: Sendable {
    /// The status code. Default: 200.
    public var status: HTTPResponse.Status
    /// The header fields. The server adds `Content-Length`.
    public var headerFields: HTTPFields
    /// The body.
    public var body: [UInt8]

    /// Creates a response.
    public init(status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }

    /// Returns a response with a UTF-8 text body. Default content type: `text/plain; charset=utf-8`.
    public static func text(
        _ text: String, contentType: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> HTTPServerResponse {
        HTTPServerResponse(status: status, headerFields: [.contentType: contentType], body: Array(text.utf8))
    }
}
