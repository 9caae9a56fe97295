public import HTTPTypes

/// The state of an opening handshake, of a client or a server. It is stored apart from the endpoint and freed when the handshake is
/// over, so that open connections stay small.
final class OpeningHandshake {
    /// What the endpoint waits for.
    enum Step {
        /// A server: the client's request.
        case readingRequest
        /// A server: the application's answer to the request.
        case answering(InboundRequest)
        /// A server: the rest of a response whose body is streamed.
        case responding(InboundRequest, HTTPResponseBody)
        /// A server: the rest of a request's body that nobody reads, before the next request.
        case discarding
        /// A client: the server's response.
        case readingResponse(ClientHandshake)
        /// A client: the first bytes of the body of a refusal.
        case readingBody(HandshakeFailure)
        /// A client: nothing. The server agreed.
        case agreed(HandshakeAgreement, HTTPResponse)
    }

    var step: Step
    /// When the handshake times out; `nil` while a response is streamed.
    var deadline: MonotonicInstant?
    /// The bytes of a head that has begun to arrive.
    var head = ByteStore()
    var scanner = HTTPHeadScanner()
    /// A server: the number of empty lines before the request.
    var emptyLines = 0
    /// A server: whether the last byte read was the carriage return of another empty line.
    var isInsideEmptyLine = false
    /// A server: reads the body of the request; `nil` if it has none, or when it is complete.
    var requestBody: HTTPRequestBodyReader?
    /// A server: whether the driver reads the request's body.
    var readsRequestBody = false
    /// A server: whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    var awaitsContinue = false
    /// A server: how many bytes of a body were discarded.
    var discarded = 0
    /// A server: whether the connection ends after the response, whatever the request asked for.
    var endsAfterResponse = false
    /// A client: the first bytes of the body of a refusal.
    var body = RefusalBody()
    /// Heads, and bodies, that wait to be written.
    var output: [UInt8] = []
    /// A client: the number of interim responses that were skipped.
    var interimResponses = 0
    /// A server: why it refused a malformed request.
    var refusal: HandshakeRefusal?

    init(_ step: Step, deadline: MonotonicInstant?) {
        self.step = step
        self.deadline = deadline
    }

    /// Prepares for another head on the same connection.
    func beginHead() {
        head.removeAll()
        scanner = HTTPHeadScanner()
        emptyLines = 0
    }
}

/// A request that has arrived at a server.
public struct InboundRequest: Sendable {
    /// The request. Its authority is the value of the Host field.
    public let request: HTTPRequest
    /// Whether the connection can carry another request after the response.
    public let keepsAlive: Bool
    /// Whether the request is HTTP/1.0, which cannot be upgraded.
    public let isHTTP10: Bool
    /// Whether the request has a body; see ``Endpoint/readRequestBody()``.
    public let hasBody: Bool
    /// The length of the body; `nil` if only its end says it (`Transfer-Encoding: chunked`).
    public let bodyLength: Int?
}
