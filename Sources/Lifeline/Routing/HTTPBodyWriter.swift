import LifelineCore

/// Writes the body of a response piece by piece; see ``HTTPServerResponse/stream(status:headerFields:_:)``.
public struct HTTPBodyWriter: Sendable {
    let handle: ConnectionHandle

    /// Sends a part of the body, and waits while the client takes no more.
    ///
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/closed`` if the connection has ended, or if the part
    ///   exceeds the response's `Content-Length`; ``WebSocketError/Code/cancelled`` if the task is cancelled, as at the
    ///   server's shutdown.
    public func write(_ bytes: [UInt8]) async throws(WebSocketError) {
        guard !Task.isCancelled else { throw .cancelled }
        let isWritten = await withUnsafeContinuation { continuation in
            handle.loop.execute {
                let writes: Void? = handle.withConnection { $0.writeBody(bytes, continuation) }
                if writes == nil { continuation.resume(returning: false) }
            }
        }
        guard !isWritten else { return }
        if let outcome = await handle.outcomeOffLoop() { throw .closed(outcome) }
        throw WebSocketError(.closed, "the body exceeds the response's Content-Length")
    }

    /// Sends a text as a part of the body, and waits while the client takes no more; see ``write(_:)-([UInt8])``.
    public func write(_ text: String) async throws(WebSocketError) {
        try await write(Array(text.utf8))
    }
}
