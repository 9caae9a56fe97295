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
        case readingBody(HandshakeFailure, RefusalBody)
        /// A client: nothing more. The server agreed.
        case agreed(HandshakeAgreement, HTTPResponse)
    }

    var step: Step
    var deadline: Instant
    /// The bytes of a head that has begun to arrive.
    var head = ByteStore()
    var scanner = HTTPHeadScanner()
    /// Heads that wait to be written.
    var output: [UInt8] = []
    /// How many interim answers a client has skipped.
    var interimResponses = 0
    /// Why a server refused a request that it could not read.
    var refusal: HandshakeRefusal?

    init(_ step: Step, deadline: Instant) {
        self.step = step
        self.deadline = deadline
    }

    /// Makes ready for another head on the same connection.
    func beginHead() {
        head.removeAll()
        scanner = HTTPHeadScanner()
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

/// The first bytes of the body with which a server refused a handshake.
struct RefusalBody {
    var bytes: [UInt8] = []
    let contentLength: Int?
    let isChunked: Bool

    /// Chunks take a few bytes more than what they carry.
    private static let maximumRawSize = 2 * HandshakeFailure.maximumBodySize

    init(contentLength: Int?, isChunked: Bool) {
        self.contentLength = contentLength
        self.isChunked = isChunked
    }

    /// Whether no more needs to be read.
    var isComplete: Bool {
        isChunked
            ? bytes.count >= RefusalBody.maximumRawSize || chunks.isComplete
            : bytes.count >= min(contentLength ?? .max, HandshakeFailure.maximumBodySize)
    }

    /// The body as far as it has come, without the framing of its chunks, and without what may follow it.
    var decoded: [UInt8] {
        let limit = HandshakeFailure.maximumBodySize
        return Array((isChunked ? chunks.bytes : bytes).prefix(min(contentLength ?? limit, limit)))
    }

    /// Takes as many bytes as are kept.
    mutating func append(_ input: UnsafeMutableRawBufferPointer) {
        bytes += input.prefix(max(RefusalBody.maximumRawSize - bytes.count, 0))
    }

    /// The chunks so far (RFC 9112 §7.1), and whether the last has come.
    private var chunks: (bytes: [UInt8], isComplete: Bool) {
        var body: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0A) {
            let digits = rest[..<end].prefix { $0 != 0x0D && $0 != UInt8(ascii: ";") }
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size > 0 else {
                return (body, true)
            }
            rest = rest[(end + 1)...]
            body += rest.prefix(size)
            rest = rest.dropFirst(size).dropFirst(2)
        }
        return (body, false)
    }
}
