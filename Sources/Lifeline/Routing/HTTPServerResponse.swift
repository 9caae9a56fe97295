public import HTTPTypes

/// A response to an ordinary HTTP request, such as one for a page or a health check.
public struct HTTPServerResponse: Sendable {
    /// The body of a response.
    public enum Body: Sendable {
        /// A body in memory.
        case bytes([UInt8])
        /// A body that a function writes while it is sent.
        case stream(@Sendable (HTTPBodyWriter) async throws -> Void)
    }

    /// The status code. Default: 200.
    public var status: HTTPResponse.Status
    /// The header fields. The server adds `Content-Length` for a body in memory.
    public var headerFields: HTTPFields
    /// The body.
    public var body: Body

    /// Creates a response with a body in memory.
    public init(status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headerFields = headerFields
        self.body = .bytes(body)
    }

    /// Returns a response with a UTF-8 text body. Default content type: `text/plain; charset=utf-8`.
    public static func text(
        _ text: String, contentType: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> HTTPServerResponse {
        HTTPServerResponse(status: status, headerFields: [.contentType: contentType], body: Array(text.utf8))
    }

    /// Returns a response whose body a function writes while it is sent, such as a large file or server-sent events.
    ///
    /// ```swift
    /// server.respond(at: "/numbers") { _ in
    ///     .stream(headerFields: [.contentType: "text/plain"]) { writer in
    ///         for number in 1...1000 { try await writer.write("\(number)\n") }
    ///     }
    /// }
    /// ```
    ///
    /// The body is sent in chunks unless `headerFields` has a `Content-Length`. If the function throws, the connection is
    /// aborted, so that the client notices that the body is incomplete. The server's shutdown cancels the function's task.
    ///
    /// - Parameters:
    ///   - status: The status code. Default: 200.
    ///   - headerFields: The header fields.
    ///   - write: Writes the body. It runs in the task of the responder, after it has returned.
    public static func stream(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:],
        _ write: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPServerResponse {
        var response = HTTPServerResponse(status: status, headerFields: headerFields)
        response.body = .stream(write)
        return response
    }
}
