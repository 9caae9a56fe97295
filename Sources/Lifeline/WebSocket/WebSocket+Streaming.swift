public import LifelineCore
public import NIOCore

extension WebSocket {
    // MARK: Sending

    /// Sends one binary message as a stream of fragments (§5.4): each chunk is a frame, sent as soon as it is there.
    ///
    /// Control frames go between the fragments; other messages wait until this one has ended. An empty frame ends it.
    /// Where the message is compressed, each fragment is as it comes, and can be read by the peer at once.
    ///
    /// - Throws: As ``send(_:compress:)-(String,_)`` does, and what the sequence throws. A message that breaks off cannot be taken
    ///   back, so the connection is closed with 1011 then.
    public nonisolated(nonsending) func send<Chunks: AsyncSequence>(
        fragments chunks: Chunks, compress: MessageCompression = .automatic
    ) async throws where Chunks.Element == ByteBuffer {
        try await sendFragments(.binary, chunks, compress) { $0 }
    }

    /// Sends one text message as a stream of fragments; each chunk is a frame.
    ///
    /// It behaves as ``send(fragments:compress:)-(Chunks,_)`` does.
    public nonisolated(nonsending) func send<Chunks: AsyncSequence>(
        textFragments chunks: Chunks, compress: MessageCompression = .automatic
    ) async throws where Chunks.Element == String {
        try await sendFragments(.text, chunks, compress) { ByteBuffer(string: $0) }
    }

    private nonisolated(nonsending) func sendFragments<Chunks: AsyncSequence>(
        _ kind: MessageKind, _ chunks: Chunks, _ compress: MessageCompression,
        _ bytes: (Chunks.Element) -> ByteBuffer
    ) async throws {
        var position = FragmentPosition.first
        do {
            for try await chunk in chunks {
                try await send(
                    OutboundFrame(kind: kind, position: position, payload: bytes(chunk), compress: compress))
                position = .middle
            }
            // A sequence may end because the task was cancelled, as an `AsyncStream` does: what it gave is not all.
            if Task.isCancelled { throw WebSocketError.cancelled }
            let last: FragmentPosition = position == .first ? .only : .last
            try await send(OutboundFrame(kind: kind, position: last, payload: ByteBuffer(), compress: compress))
        } catch {
            if position == .middle {
                let frame = CloseFrame(.internalError, "a message broke off")
                handle.close(frame)
            }
            throw error
        }
    }

    // MARK: Receiving

    /// The messages as streams of chunks, each handed out as it arrives, before its message has ended.
    ///
    /// ```swift
    /// for try await message in socket.incoming {
    ///     for try await chunk in message { try await file.write(chunk) }
    /// }
    /// ```
    ///
    /// The limits on messages hold all the same. Chunks that are not received are skipped when the next message is. Only
    /// one task may receive, in either way.
    public var incoming: IncomingMessages { IncomingMessages(socket: self) }
}

/// The messages of a connection as streams of chunks.
public struct IncomingMessages: AsyncSequence, Sendable {
    public typealias Element = IncomingMessage
    public typealias Failure = WebSocketError

    let socket: WebSocket

    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: ChunkReader

        /// The next message, as soon as its first bytes are there, or `nil` after the last.
        ///
        /// - Throws: As ``WebSocket/receive(_:)`` does.
        public mutating func next() async throws(WebSocketError) -> IncomingMessage? {
            try await reader.nextMessage()
        }

        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(WebSocketError) -> IncomingMessage? {
            try await reader.nextMessage()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(reader: ChunkReader(socket))
    }
}

/// One message as a stream of chunks; see ``WebSocket/incoming``.
public struct IncomingMessage: AsyncSequence {
    public typealias Element = ByteBuffer
    public typealias Failure = WebSocketError

    /// Whether it is text or binary. Text is checked as it comes; a chunk may end inside a character.
    public let kind: MessageKind
    let reader: ChunkReader
    let number: Int

    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: ChunkReader
        let number: Int

        /// The next chunk, or `nil` where the message has ended, or the next one has been begun.
        public mutating func next() async throws(WebSocketError) -> ByteBuffer? {
            try await reader.nextChunk(of: number)
        }

        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(WebSocketError) -> ByteBuffer? {
            try await reader.nextChunk(of: number)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(reader: reader, number: number)
    }
}
