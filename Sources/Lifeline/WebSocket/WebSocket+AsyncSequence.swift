extension WebSocket: AsyncSequence {
    public typealias Element = WebSocketMessage
    public typealias Failure = WebSocketError

    /// The messages in their order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let socket: WebSocket

        /// The next message, or `nil` where the peer closed with 1000, 1001, or without a code.
        ///
        /// - Throws: As ``WebSocket/receive(_:)`` does.
        public mutating func next() async throws(WebSocketError) -> WebSocketMessage? {
            try await socket.receive { $0.copy }
        }

        /// The next message, received on the caller's actor.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(WebSocketError) -> WebSocketMessage? {
            try await socket.receive { $0.copy }
        }
    }

    /// An iterator. Two at once have one message each; a second task that waits while the first does gets an error.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(socket: self)
    }
}
