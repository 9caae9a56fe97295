public import HTTPTypes

/// An answer to an ordinary HTTP request: a page, a health check.
public struct HTTPServerResponse: Sendable {
    /// The status. Default: 200.
    public var status: HTTPResponse.Status
    /// The fields; `Content-Length` is added.
    public var headerFields: HTTPFields
    /// The body.
    public var body: [UInt8]

    /// An answer with the given body.
    public init(status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }

    /// A text, of the type `text/plain` unless another is given.
    public static func text(
        _ text: String, contentType: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> HTTPServerResponse {
        HTTPServerResponse(status: status, headerFields: [.contentType: contentType], body: Array(text.utf8))
    }
}
