import LifelineCore
import NIOCore

extension WebSocket {
    /// Receives the next message with a function that may throw, such as one that decodes it.
    ///
    /// If `body` throws, its message is consumed, and the next call receives the message after it.
    ///
    /// - Parameter body: A function that is called once with the message.
    /// - Returns: What `body` returned, or `nil` if ``receive(_:)->Result?`` would return `nil`.
    /// - Throws: What `body` threw, or a ``WebSocketError`` with the codes of ``receive(_:)->Result?``.
    @inlinable
    @_disfavoredOverload
    public nonisolated(nonsending) func receive<Value>(
        _ body: (borrowing ReceivedMessage) throws -> Value
    ) async throws -> Value? {
        let result = try await receive { (message: borrowing ReceivedMessage) -> Result<Value, any Error> in
            do { return .success(try body(message)) } catch { return .failure(error) }
        }
        return try result?.get()
    }

    /// Receives the next message within limits of size and time.
    ///
    /// ```swift
    /// guard let hello = try await socket.receive(upTo: 4096, within: .seconds(5)) else { return }
    /// ```
    ///
    /// - Parameters:
    ///   - maximumSize: The maximum size of the message in bytes, after decompression. As soon as more bytes have
    ///     arrived, the connection is closed with 1009. Default: no limit in addition to that of the connection
    ///     (`EndpointConfiguration.maximumMessageSize`).
    ///   - timeout: How long to wait for the end of the message. Default: no limit.
    /// - Returns: The message, or `nil` if ``receive(_:)->Result?`` would return `nil`.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/messageTooBig`` or
    ///   ``WebSocketError/Code/timedOut``, or with the codes of ``receive(_:)->Result?``. No message is lost after a
    ///   timeout or a cancellation: the next call receives it.
    public nonisolated(nonsending) func receive(
        upTo maximumSize: Int = .max, within timeout: Duration? = nil
    ) async throws(WebSocketError) -> WebSocketMessage? {
        guard maximumSize < .max else { return try await receiveWhole(within: timeout) }
        let deadline = await deadline(after: timeout)
        let reader = ChunkReader(self, deadline: deadline)
        guard let message = try await reader.nextMessage() else { return nil }
        var bytes = ByteBuffer()
        do throws(WebSocketError) {
            while let chunk = try await reader.nextChunk(of: message.number) {
                guard chunk.readableBytes <= maximumSize - bytes.readableBytes else {
                    throw tooBig(maximumSize)
                }
                bytes.writeImmutableBuffer(chunk)
            }
        } catch {
            // The next receive gets what has arrived of the message.
            if [.timedOut, .cancelled].contains(error.code) { reader.giveBack(bytes, of: message) }
            throw error
        }
        return WebSocketMessage(message.kind, bytes)
    }

    private nonisolated(nonsending) func receiveWhole(
        within timeout: Duration?
    ) async throws(WebSocketError) -> WebSocketMessage? {
        guard let deadline = await deadline(after: timeout) else { return try await receive { $0.copy } }
        var message: WebSocketMessage?
        try await takeMessageOffLoop({ message = $0.copy }, until: deadline)
        return message
    }

    private func deadline(after timeout: Duration?) async -> MonotonicInstant? {
        guard let timeout else { return nil }
        return await handle.onLoop { $0.loop.driver.now().advanced(by: timeout) }
    }

    private func tooBig(_ maximumSize: Int) -> WebSocketError {
        handle.close(CloseFrame(.messageTooBig, "message too big: at most \(maximumSize) bytes are allowed"))
        return WebSocketError(
            .messageTooBig,
            "the message exceeds \(maximumSize) bytes (receive(upTo:)); the connection was closed with 1009")
    }
}
