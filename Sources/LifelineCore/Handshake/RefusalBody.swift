/// Collects the first bytes of the body with which a server refuses a handshake.
///
/// It looks at each byte once, wherever the body is split, and keeps at most ``HandshakeFailure/maximumBodySize`` of them.
struct RefusalBody {
    /// What comes next.
    private enum Part {
        /// The body itself: so many more bytes, or all up to the end of the stream if `nil`.
        case content(Int?)
        /// A body in chunks.
        case chunks(HTTPChunkedBody)
        /// Nothing: the body is complete, or malformed.
        case nothing
    }

    /// The body so far, without the framing of its chunks.
    private(set) var bytes: [UInt8] = []
    private var part: Part
    /// How many more bytes are read, with the framing of chunks.
    private var allowed = RefusalBody.maximumRawSize

    /// Chunks take a few bytes more than their data.
    private static let maximumRawSize = 2 * HandshakeFailure.maximumBodySize

    /// Creates a body that ends where its head says.
    init(_ length: HTTPBodyLength = .absent) {
        part =
            switch length {
            case .absent, .untilEnd: .content(nil)
            case .bytes(0): .nothing
            case .bytes(let count): .content(count)
            case .chunked: .chunks(HTTPChunkedBody())
            }
    }

    /// Whether no more needs to be read.
    var isComplete: Bool {
        if case .nothing = part { return true }
        return allowed == 0 || bytes.count >= HandshakeFailure.maximumBodySize
    }

    /// Whether only the end of the stream ends the body.
    var endsWithStream: Bool {
        if case .content(nil) = part { true } else { false }
    }

    /// Takes as many bytes as are kept.
    mutating func append(_ input: UnsafeRawBufferPointer) {
        guard !isComplete else { return }
        let input = UnsafeRawBufferPointer(rebasing: input.prefix(allowed))
        allowed -= input.count
        switch part {
        case .content(let rest):
            let content = input.prefix(rest ?? .max)
            keep(UnsafeRawBufferPointer(rebasing: content))
            part = rest == content.count ? .nothing : .content(rest.map { $0 - content.count })
        case .chunks(var body):
            let isWellFormed = body.read(input) { keep($0) } != nil
            // The trailer means nothing here.
            part = isWellFormed && !body.hasAllData ? .chunks(body) : .nothing
        case .nothing: break
        }
    }

    private mutating func keep(_ data: UnsafeRawBufferPointer) {
        bytes += data.prefix(HandshakeFailure.maximumBodySize - bytes.count)
    }
}
