public import HTTPTypes

/// The opening handshake while it lasts, of either side. It lives apart from the endpoint, so that an open connection
/// carries nothing of it.
final class OpeningHandshake {
    /// What is awaited.
    enum Step {
        /// A server: the client's request.
        case readingRequest
        /// A server: the application's answer.
        case answering(InboundRequest)
        /// A client: the server's answer.
        case readingResponse(ClientHandshake)
        /// A client: the first bytes of a refusal's body.
        case readingBody(HandshakeFailure)
        /// A client: nothing more. The server agreed.
        case agreed(HandshakeAgreement, HTTPResponse)
    }

    var step: Step
    var deadline: MonotonicInstant
    /// The bytes of a head that has begun to arrive.
    var head = ByteStore()
    var scanner = HTTPHeadScanner()
    /// A server: the empty lines that have come before the request, and whether another has begun.
    var emptyLines = 0
    var isInsideEmptyLine = false
    /// A client: what has come of a refusal's body.
    var body = RefusalBody()
    /// Heads that wait to be written.
    var output: [UInt8] = []
    /// How many interim answers a client has skipped.
    var interimResponses = 0
    /// Why a server refused a request that it could not read.
    var refusal: HandshakeRefusal?

    init(_ step: Step, deadline: MonotonicInstant) {
        self.step = step
        self.deadline = deadline
    }

    /// Makes ready for another head on the same connection.
    func beginHead() {
        head.removeAll()
        scanner = HTTPHeadScanner()
        emptyLines = 0
    }
}

/// A request that has arrived at a server.
public struct InboundRequest: Sendable {
    /// The request. Its authority is the Host field's value.
    public let request: HTTPRequest
    /// Whether the connection can carry another request after the answer.
    public let keepsAlive: Bool
    /// Whether the request came as HTTP/1.0, from which nothing can be upgraded.
    public let isHTTP10: Bool
}
