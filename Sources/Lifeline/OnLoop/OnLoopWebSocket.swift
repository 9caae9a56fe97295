public import LifelineCore

/// The connection of an ``OnLoopHandler``, for use on its event loop only.
///
/// ``webSocket`` is the same connection for use from anywhere.
public struct OnLoopWebSocket {
    let handle: ConnectionHandle
    /// The request, the response and the agreement of the opening handshake.
    public let handshake: WebSocketHandshake

    /// The result of a send.
    @nonexhaustive(warn)
    public enum SendResult: Sendable {
        /// The message is flushed at the end of the turn.
        case sent
        /// The message is queued, but the transport is above its high-water mark: wait for
        /// ``OnLoopHandler/writable(_:)`` before sending more.
        case sentButFull
        /// The connection is closing or closed, so the message was not sent.
        case closed
    }

    /// The connection as a Sendable value, for tasks and other threads.
    public var webSocket: WebSocket { WebSocket(handle: handle, handshake: handshake) }

    /// Sends a received message back to its sender, or forwards it to another connection of this loop.
    @discardableResult
    @inline(__always)
    public func send(
        _ message: borrowing ReceivedMessage, compress: MessageCompression = .automatic
    ) -> SendResult {
        send(message.kind, message.payload, compress)
    }

    /// Sends a binary message.
    @discardableResult
    public func send(binary bytes: RawSpan, compress: MessageCompression = .automatic) -> SendResult {
        bytes.withUnsafeBytes { send(.binary, $0, compress) }
    }

    /// Sends a text message.
    @discardableResult
    public func send(_ text: String, compress: MessageCompression = .automatic) -> SendResult {
        var text = text
        return text.withUTF8 { send(.text, UnsafeRawBufferPointer($0), compress) }
    }

    /// Sends a message that goes to many connections and is compressed once for all of them.
    @discardableResult
    public func send(_ message: PreparedMessage) -> SendResult {
        handle.withConnection { $0.send(message) } ?? .closed
    }

    /// How much compression has saved on this connection so far.
    public var compressionStatistics: CompressionStatistics { handle.compressionStatistics }

    /// The bytes that wait to be sent: those that the socket has not taken yet, and messages that wait for a fragmented one to
    /// end.
    public var bufferedBytes: Int { handle.withConnection(\.bufferedBytes) ?? 0 }

    /// Whether the transport is below its high-water mark. `false` once the connection has ended.
    public var isWritable: Bool { handle.withConnection { $0.isWritable } ?? false }

    /// Begins the closing handshake.
    ///
    /// - Parameters:
    ///   - code: 1000–1003, 1007–1014 or 3000–4999. Default: 1000.
    ///   - reason: At most 123 bytes of UTF-8. Default: empty.
    /// - Throws: `CloseFrameError` if the code or the reason cannot be sent.
    public func close(code: CloseCode = .normalClosure, reason: String = "") throws(CloseFrameError) {
        let frame = try CloseFrame(code: code, reason: reason)
        _ = handle.withConnection { $0.close(frame) }
    }

    @inline(__always)
    private func send(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, _ compress: MessageCompression
    ) -> SendResult {
        handle.withConnection { $0.send(kind, payload, compress) } ?? .closed
    }
}

extension Connection {
    /// Sends a message without waiting.
    @inline(__always)
    fileprivate func send(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, _ compress: MessageCompression
    ) -> OnLoopWebSocket.SendResult {
        do throws(Endpoint.SendError) {
            return try enqueue(kind, payload, compress) ? .sent : .sentButFull
        } catch {
            return .closed
        }
    }

    fileprivate func send(_ message: PreparedMessage) -> OnLoopWebSocket.SendResult {
        do throws(Endpoint.SendError) {
            return try enqueue(message) ? .sent : .sentButFull
        } catch {
            return .closed
        }
    }
}
