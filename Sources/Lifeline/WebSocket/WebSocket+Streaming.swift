public import LifelineCore
public import NIOCore

extension WebSocket {
    // MARK: Sending

    /// Sends one binary message as a stream of fragments
    /// ([RFC 6455 §5.4](https://www.rfc-editor.org/rfc/rfc6455#section-5.4)): each chunk is sent as a frame as soon as
    /// the sequence produces it.
    ///
    /// Control frames may go between the fragments; other messages wait until this one has ended. An empty frame ends
    /// the message. If the message is compressed, each fragment is flushed, so that the peer can decompress it at once.
    ///
    /// - Parameters:
    ///   - chunks: The chunks of the message.
    ///   - compress: Whether the message is compressed, if compression is agreed (``WebSocketHandshake/compression``).
    /// - Throws: What the sequence throws, or a ``WebSocketError`` with the codes of ``send(_:compress:)-(String,_)``.
    ///   A message that has begun cannot be withdrawn, so the connection is closed with 1011 then.
    public nonisolated(nonsending) func send<Chunks: AsyncSequence>(
        fragments chunks: Chunks, compress: MessageCompression = .automatic
    ) async throws where Chunks.Element == ByteBuffer {
        try await sendFragments(.binary, chunks, compress) { $0 }
    }

    /// Sends one text message as a stream of fragments: each chunk is sent as a frame.
    ///
    /// It waits and throws as ``send(fragments:compress:)-(Chunks,_)`` does.
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
            // A sequence may end because the task was cancelled, as an `AsyncStream` does, before it has produced all
            // chunks.
            if Task.isCancelled { throw WebSocketError.cancelled }
            let last: FragmentPosition = position == .first ? .only : .last
            try await send(OutboundFrame(kind: kind, position: last, payload: ByteBuffer(), compress: compress))
        } catch {
            if position == .middle {
                let frame = CloseFrame(.internalError, "a fragmented message could not be completed")
                handle.close(frame)
            }
            throw error
        }
    }

    // MARK: Receiving

    /// The messages as streams of chunks, each returned as it arrives, before its message has ended.
    ///
    /// ```swift
    /// for try await message in socket.incoming {
    ///     for try await chunk in message { try await file.write(chunk) }
    /// }
    /// ```
    ///
    /// The limits on messages apply as usual. Chunks that have not been received are skipped when the next message is
    /// received. Only one task may receive at a time, in this way or with `receive`.
    public var incoming: IncomingMessages { IncomingMessages(socket: self) }
}

/// The messages of a connection as streams of chunks.
public struct IncomingMessages: AsyncSequence, Sendable {
    public typealias Element = IncomingMessage
    public typealias Failure = WebSocketError

    let socket: WebSocket

    /// Iterates over the messages in the order in which they arrive.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: ChunkReader

        /// Returns the next message as soon as its first bytes have arrived, or `nil` after the last.
        ///
        /// - Throws: ``WebSocketError`` with the codes of ``WebSocket/receive(_:)->Result?``.
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

    /// Whether the message is text or binary. Text is checked to be UTF-8 as it arrives; a chunk may end inside a
    /// character.
    public let kind: MessageKind
    let reader: ChunkReader
    let number: Int

    /// Iterates over the chunks of a message.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: ChunkReader
        let number: Int

        /// Returns the next chunk, or `nil` if the message has ended or the next message has been requested.
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
