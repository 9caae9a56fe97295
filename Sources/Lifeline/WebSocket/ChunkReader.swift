import LifelineCore
import NIOCore

/// The state that the iterators over messages and over a message's chunks share.
final class ChunkReader {
    private let socket: WebSocket
    private var number = 0
    /// Whether the current message has more chunks to come.
    private var isInsideMessage = false
    /// The current message's first chunk, until it is returned.
    private var first: ByteBuffer?
    /// Whether this reader has asked the connection to deliver messages in chunks.
    private var wantsChunks = false

    /// The instant at which a wait ends with ``WebSocketError/Code/timedOut``; `nil` to wait without a limit.
    private let deadline: MonotonicInstant?

    init(_ socket: WebSocket, deadline: MonotonicInstant? = nil) {
        self.socket = socket
        self.deadline = deadline
    }

    deinit {
        guard wantsChunks else { return }
        socket.handle.execute { $0.endStreaming() }
    }

    nonisolated(nonsending) func nextMessage() async throws(WebSocketError) -> IncomingMessage? {
        if !wantsChunks {
            // Fails if another task receives: a reader of whole messages must not get chunks because of this one.
            let begins = await socket.handle.onLoop { $0.withConnection { $0.beginStreaming() } }
            guard begins != false else { throw .concurrentReceive }
            wantsChunks = begins == true
        }
        first = nil
        while isInsideMessage { _ = try await nextItem() }
        var item: Inbox.Item
        // Skips the rest of a message that another reader left.
        repeat {
            guard let next = try await nextItem() else { return nil }
            item = next
        } while !item.isFirst
        number += 1
        first = item.bytes
        return IncomingMessage(kind: item.kind, reader: self, number: number)
    }

    nonisolated(nonsending) func nextChunk(of number: Int) async throws(WebSocketError) -> ByteBuffer? {
        guard number == self.number else { return nil }
        while true {
            let chunk: ByteBuffer
            if let first = first.take() {
                chunk = first
            } else {
                guard isInsideMessage, let item = try await nextItem() else { return nil }
                chunk = item.bytes
            }
            // The last frame of a message may be empty, and an empty frame is not a chunk.
            if chunk.readableBytes > 0 { return chunk }
        }
    }

    /// Returns the beginning of the current message to the inbox, so that the next receive gets the whole message.
    func giveBack(_ bytes: ByteBuffer, of message: IncomingMessage) {
        guard isInsideMessage, message.number == number else { return }
        isInsideMessage = false
        let item = Inbox.Item(kind: message.kind, bytes: bytes, isFirst: true, isLast: false)
        socket.handle.execute { $0.inbox.prepend(item) }
    }

    private nonisolated(nonsending) func nextItem() async throws(WebSocketError) -> Inbox.Item? {
        guard let item = try await socket.next(until: deadline) else {
            let outcome = await socket.outcome
            let isExpected = outcome?.isExpected ?? false
            guard isInsideMessage || !isExpected else { return nil }
            isInsideMessage = false
            throw .closed(outcome)
        }
        isInsideMessage = !item.isLast
        return item
    }
}
