/// Reads the body of a request strictly, one piece at a time, resumable at every byte
/// ([RFC 9112 §6](https://www.rfc-editor.org/rfc/rfc9112#section-6)).
struct HTTPRequestBodyReader {
    private enum Framing {
        /// `Content-Length`: so many bytes remain.
        case bytes(Int)
        case chunked(HTTPChunkedBody)
    }

    /// What reading gave.
    enum Piece {
        /// Data of the body; empty if all input was framing.
        case data(UnsafeRawBufferPointer)
        /// The body is complete.
        case end
        /// The framing of a chunk is malformed.
        case malformed
    }

    private var framing: Framing

    /// Creates a reader; `nil` if there is no body.
    init?(_ length: HTTPBodyLength) {
        switch length {
        case .absent, .bytes(0), .untilEnd: return nil
        case .bytes(let count): framing = .bytes(count)
        case .chunked: framing = .chunked(HTTPChunkedBody(isStrict: true))
        }
    }

    /// Reads on, and removes what it has read from the input.
    mutating func read(_ input: inout ReadBuffer) -> Piece {
        switch framing {
        case .bytes(0):
            return .end
        case .bytes(let rest):
            let data = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(input.unread).prefix(rest))
            input.skip(data.count)
            framing = .bytes(rest - data.count)
            return .data(data)
        case .chunked(var body):
            guard !body.isComplete else { return .end }
            guard let piece = body.readPiece(UnsafeRawBufferPointer(input.unread)) else { return .malformed }
            framing = .chunked(body)
            input.skip(piece.count)
            return piece.data.isEmpty && body.isComplete ? .end : .data(piece.data)
        }
    }
}
