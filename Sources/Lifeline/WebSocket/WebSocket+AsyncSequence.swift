extension WebSocket: AsyncSequence {
    public typealias Element = WebSocketMessage
    public typealias Failure = WebSocketError

    /// Iterates over the messages in the order in which they arrive.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let socket: WebSocket

        /// Returns the next message, or `nil` if the peer closed with 1000, with 1001, or without a code.
        ///
        /// - Throws: ``WebSocketError`` with the codes of ``WebSocket/receive(_:)->Result?``.
        public mutating func next() async throws(WebSocketError) -> WebSocketMessage? {
            try await socket.receive { $0.copy }
        }

        /// Returns the next message, received on the caller's actor.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(WebSocketError) -> WebSocketMessage? {
            try await socket.receive { $0.copy }
        }
    }

    /// Returns an iterator. Two iterators share the messages: each message goes to one of them. If two tasks wait at
    /// the same time, the second gets ``WebSocketError/Code/concurrentReceive``.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(socket: self)
    }
}
