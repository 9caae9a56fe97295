public import LifelineCore

/// A connection in the hands of an ``OnLoopHandler``; not to be used anywhere but on its event loop.
///
/// ``webSocket`` is the same connection for use elsewhere.
public struct OnLoopWebSocket {
    let handle: ConnectionHandle
    /// What was asked and agreed in the opening handshake.
    public let handshake: WebSocketHandshake

    /// What became of a send.
    public enum SendResult: Sendable {
        /// It goes out with the turn.
        case sent
        /// It goes out, but the transport is full: better wait for ``OnLoopHandler/writable(_:)``.
        case sentButFull
        /// The connection is closing; nothing was sent.
        case closed
    }

    /// The connection as a Sendable value, for tasks and other threads.
    public var webSocket: WebSocket { WebSocket(handle: handle, handshake: handshake) }

    /// Sends a received message back, or on, as it is.
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

    /// Sends a message that goes to many connections, and is compressed once for all of them.
    @discardableResult
    public func send(_ message: PreparedMessage) -> SendResult {
        handle.withConnection { $0.send(message) } ?? .closed
    }

    /// What compression has saved on the connection so far.
    public var compressionStatistics: CompressionStatistics { handle.compressionStatistics }

    /// The bytes that wait to be sent: those that the socket has not taken yet, and messages that wait for a fragmented one to
    /// end.
    public var bufferedBytes: Int { handle.withConnection(\.bufferedBytes) ?? 0 }

    /// Whether the transport takes more.
    public var isWritable: Bool { handle.withConnection { $0.isWritable } ?? false }

    /// Begins the closing handshake.
    ///
    /// - Throws: `CloseFrameError` where the code or the reason cannot be sent.
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
    /// Sends a message without waiting, and says what became of it.
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
