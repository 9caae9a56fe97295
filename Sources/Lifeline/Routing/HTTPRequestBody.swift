import HTTPTypes
import LifelineCore

/// The body of an ordinary HTTP request, which is read while it arrives.
///
/// ```swift
/// server.respond(to: .post, at: "/hook") { request in
///     let body = try await request.body.collect(upTo: 1 << 20)
///     try await handle(body)
///     return HTTPServerResponse(status: .noContent)
/// }
/// ```
///
/// What has not been read when the response is sent is dropped. A body can be read once, by one task.
public struct HTTPRequestBody: Sendable {
    enum Storage: Sendable {
        case bytes([UInt8])
        case connection(ConnectionHandle, number: Int)
    }

    let storage: Storage
    /// The length in bytes; `nil` if the client does not say it (`Transfer-Encoding: chunked`).
    public let length: Int?

    init(_ storage: Storage, length: Int?) {
        self.storage = storage
        self.length = length
    }

    /// Creates a body in memory, for testing a function that takes a ``ServerRequest``.
    public init(_ bytes: [UInt8] = []) {
        self.init(.bytes(bytes), length: bytes.count)
    }

    /// Reads the whole body.
    ///
    /// - Parameter limit: The most bytes that the body may have.
    /// - Throws: A `HandshakeRefusal` with 413 if the body is larger: at once if its length is known. A ``WebSocketError``
    ///   with the code ``WebSocketError/Code/closed`` if the connection ends before the body.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        guard length ?? 0 <= limit else { throw HTTPRequestBody.tooLarge(limit) }
        var all: [UInt8] = []
        for try await part in self {
            guard part.count <= limit - all.count else { throw HTTPRequestBody.tooLarge(limit) }
            all += part
        }
        return all
    }

    private static func tooLarge(_ limit: Int) -> HandshakeRefusal {
        HandshakeRefusal(
            reason: .malformedRequest, status: .contentTooLarge,
            message: "the body of this request may have \(limit) bytes")
    }
}

extension HTTPRequestBody: AsyncSequence {
    public typealias Element = [UInt8]
    public typealias Failure = any Error

    /// Reads the parts of a body.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private var storage: Storage?

        init(_ storage: Storage) {
            self.storage = storage
        }

        /// Returns the next part of the body, which is not empty; `nil` after the last.
        ///
        /// - Throws: A ``WebSocketError`` with the code ``WebSocketError/Code/closed`` if the connection ends before the
        ///   body, or if the request has been answered.
        public mutating func next() async throws -> [UInt8]? {
            switch storage {
            case nil:
                return nil
            case .bytes(let bytes)?:
                storage = nil
                return bytes.isEmpty ? nil : bytes
            case .connection(let handle, let number)?:
                switch await handle.readBody(of: number) {
                case .data(let bytes): return bytes
                case .end:
                    storage = nil
                    return nil
                case .failed:
                    storage = nil
                    throw await handle.requestEnded
                }
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(storage) }
}

extension ConnectionHandle {
    fileprivate func readBody(of number: Int) async -> HTTPExchange.BodyPiece {
        await withUnsafeContinuation { continuation in
            loop.execute {
                let reads: Void? = self.withConnection { $0.readBody(of: number, continuation) }
                if reads == nil { continuation.resume(returning: .failed) }
            }
        }
    }

    /// The error of a request that can no longer be read or answered.
    var requestEnded: WebSocketError {
        get async {
            if let outcome = await outcomeOffLoop() { return .closed(outcome) }
            return WebSocketError(.closed, "the request has been answered")
        }
    }
}
