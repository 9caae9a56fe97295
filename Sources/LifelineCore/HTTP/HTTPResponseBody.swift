/// How the end of a streamed response is marked ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
enum HTTPResponseBody {
    /// Nothing is sent: a response to HEAD, or one without a body.
    case none
    /// `Content-Length`: so many bytes remain.
    case bytes(Int)
    case chunked
    /// The end of the stream ends the body, as for HTTP/1.0.
    case untilEnd
}
