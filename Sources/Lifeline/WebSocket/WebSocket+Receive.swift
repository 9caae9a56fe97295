import LifelineCore
import NIOCore

extension WebSocket {
    /// Receives the next message with a function that may throw, such as one that decodes it.
    ///
    /// A message for which `body` throws has been received: the next call gets the one after it.
    ///
    /// - Parameter body: Is called once with the message.
    /// - Returns: What `body` returned, or `nil` where ``receive(_:)-(_->Result)`` returns `nil`.
    /// - Throws: What `body` threw, or a ``WebSocketError`` as ``receive(_:)-(_->Result)`` does.
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

    /// Receives the next message, within a limit of size or time.
    ///
    /// ```swift
    /// guard let hello = try await socket.receive(upTo: 4096, within: .seconds(5)) else { return }
    /// ```
    ///
    /// - Parameters:
    ///   - maximumSize: The most bytes that the message may have, after decompression. As soon as more than that have arrived, the
    ///     connection is closed with 1009. Default: no limit but that of the connection
    ///     (`EndpointConfiguration.maximumMessageSize`).
    ///   - timeout: How long to wait for the end of the message. Default: for ever.
    /// - Returns: The message, or `nil` where ``receive(_:)-(_->Result)`` returns `nil`.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/messageTooBig``, with the code
    ///   ``WebSocketError/Code/timedOut`` (no message is lost then: the next call gets it), or as ``receive(_:)-(_->Result)`` does.
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
            // What has come of the message is the next receive's.
            if [.timedOut, .cancelled].contains(error.code) { reader.giveBack(bytes, of: message) }
            throw error
        }
        return WebSocketMessage(message.kind, bytes)
    }

    private nonisolated(nonsending) func receiveWhole(
        within timeout: Duration?
    ) async throws(WebSocketError) -> WebSocketMessage? {
        guard let deadline = await deadline(after: timeout) else { return try await receive { $0.copy } }
        guard let item = try await handle.receiveOffLoop(whole: true, deadline: deadline) else {
            try checkEnd(await handle.outcomeOffLoop())
            return nil
        }
        return WebSocketMessage(item.kind, item.bytes)
    }

    private func deadline(after timeout: Duration?) async -> MonotonicInstant? {
        guard let timeout else { return nil }
        return await handle.onLoop { $0.loop.driver.now().advanced(by: timeout) }
    }

    private func tooBig(_ maximumSize: Int) -> WebSocketError {
        handle.close(CloseFrame(.messageTooBig, "messages may have at most \(maximumSize) bytes here"))
        return WebSocketError(
            .messageTooBig,
            "the message has more than \(maximumSize) bytes (receive(upTo:)); the connection is closed with 1009")
    }
}
