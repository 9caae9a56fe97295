public import LifelineCore
public import NIOCore

/// A WebSocket connection of a client or a server.
///
/// One task receives messages by iterating:
///
/// ```swift
/// for try await message in socket {
///     try await socket.send(message)
/// }
/// ```
///
/// Any task may send, ping and close at any time. Control frames, heartbeats and the closing handshake run on the
/// connection's event loop whether or not a task receives: a connection whose handler never iterates stays open, and a
/// dead peer is detected while the application is busy.
///
/// When the handler of a server's route, or the closure given to
/// ``WebSocketClient/connect(to:configuration:handler:)-(String,_,_)``, returns or throws, the connection is closed.
public struct WebSocket: Sendable {
    let handle: ConnectionHandle
    /// The request, the response and the agreement of the opening handshake.
    public let handshake: WebSocketHandshake

    /// The connection's number, unique within the process, for logs.
    public var id: UInt64 { handle.id }

    // MARK: Sending

    /// Sends a text message.
    ///
    /// It waits while the peer reads too slowly (``BufferLimits/outbound``), and while a fragmented message is being
    /// sent.
    ///
    /// - Parameters:
    ///   - text: The text of the message.
    ///   - compress: Whether the message is compressed, if compression is agreed (``WebSocketHandshake/compression``).
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/closed`` if the connection is closing or
    ///   closed, or ``WebSocketError/Code/cancelled`` if the task was cancelled. In both cases the message has not been
    ///   sent.
    public nonisolated(nonsending) func send(
        _ text: String, compress: MessageCompression = .automatic
    ) async throws(WebSocketError) {
        if handle.loop.isOnLoop, canSend(.only) {
            var text = text
            let error = text.withUTF8 { write(.text, UnsafeRawBufferPointer($0), compress) }
            if let error { throw error }
        } else {
            try await send(
                OutboundFrame(kind: .text, position: .only, payload: ByteBuffer(string: text), compress: compress))
        }
    }

    /// Sends a binary message. A server does not copy the bytes of a large message.
    ///
    /// It waits and throws as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func send(
        _ bytes: ByteBuffer, compress: MessageCompression = .automatic
    ) async throws(WebSocketError) {
        try await send(OutboundFrame(kind: .binary, position: .only, payload: bytes, compress: compress))
    }

    /// Sends a binary message.
    ///
    /// It waits and throws as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func send(
        _ bytes: [UInt8], compress: MessageCompression = .automatic
    ) async throws(WebSocketError) {
        if handle.loop.isOnLoop, canSend(.only) {
            let error = bytes.withUnsafeBytes { write(.binary, $0, compress) }
            if let error { throw error }
        } else {
            try await send(ByteBuffer(bytes: bytes), compress: compress)
        }
    }

    /// Sends a message.
    ///
    /// It waits and throws as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func send(
        _ message: WebSocketMessage, compress: MessageCompression = .automatic
    ) async throws(WebSocketError) {
        switch message {
        case .text(let text): try await send(text, compress: compress)
        case .binary(let bytes): try await send(bytes, compress: compress)
        }
    }

    /// Sends a message that goes to many connections and is compressed once for all of them.
    ///
    /// It waits and throws as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func send(_ message: PreparedMessage) async throws(WebSocketError) {
        try await send(OutboundFrame(message))
    }

    /// Sends a received message back to its sender, or forwards it to another connection, without waiting; for use
    /// inside ``receive(_:)->Result?``.
    ///
    /// On the connection's event loop the next ``receive(_:)->Result?`` waits if the peer reads too slowly, so a loop
    /// of `receive` and `enqueue` buffers as little as one of `receive` and `send`. Elsewhere there is no
    /// back-pressure, and a connection that has more than ``BufferLimits/maximumOutbound`` waiting is ended: use
    /// `send` there.
    @discardableResult
    @inline(__always)
    public func enqueue(_ message: borrowing ReceivedMessage) -> EnqueueResult {
        if handle.loop.isOnLoop {
            return handle.withConnection { $0.canEnqueue(message.kind, message.payload) } == true ? .sent : .closed
        }
        guard !handle.isClosing else { return .closed }
        let frame = OutboundFrame(kind: message.kind, position: .only, payload: message.buffer)
        handle.executeSoon { connection in
            connection.loop.beginTurn()
            _ = frame.payload.withUnsafeReadableBytes { connection.canEnqueue(frame.kind, $0) }
            connection.loop.endTurn()
        }
        return .sent
    }

    /// Sends a message that goes to many connections, without waiting for a peer that reads too slowly.
    ///
    /// A connection that has more than ``BufferLimits/maximumOutbound`` waiting is ended; see ``bufferedBytes``.
    @discardableResult
    public func enqueue(_ message: PreparedMessage) -> EnqueueResult {
        if handle.loop.isOnLoop {
            return handle.withConnection { $0.canEnqueue(message) } == true ? .sent : .closed
        }
        guard !handle.isClosing else { return .closed }
        handle.executeSoon { connection in
            connection.loop.beginTurn()
            _ = connection.canEnqueue(message)
            connection.loop.endTurn()
        }
        return .sent
    }

    /// The number of bytes that wait to be sent: those that the socket has not accepted yet, and those of messages that
    /// wait for a fragmented message to end. `0` once the connection has ended.
    public var bufferedBytes: Int {
        get async { await handle.onLoop { $0.withConnection(\.bufferedBytes) ?? 0 } }
    }

    /// Waits until the transport is below its high-water mark (``BufferLimits/outbound``); for use before
    /// ``enqueue(_:)-(PreparedMessage)``, which does not wait.
    ///
    /// - Throws: ``WebSocketError`` with the codes of ``send(_:compress:)-(String,_)``.
    public nonisolated(nonsending) func waitUntilWritable() async throws(WebSocketError) {
        if handle.loop.isOnLoop {
            guard !canSend(.only) else { return }
            try await handle.sendWhenWritable(nil)
        } else {
            try await handle.sendOffLoop(nil)
        }
    }

    /// Whether a frame can be sent now; on the loop.
    @inline(__always)
    private func canSend(_ position: FragmentPosition) -> Bool {
        handle.withConnection { $0.canSend(position) } ?? false
    }

    /// Writes a message; on the loop, after ``canSend(_:)`` returned `true`.
    @inline(__always)
    private func write(
        _ kind: MessageKind, _ bytes: UnsafeRawBufferPointer, _ compress: MessageCompression
    ) -> WebSocketError? {
        let error = handle.withConnection { connection -> Endpoint.SendError? in
            do throws(Endpoint.SendError) {
                try connection.sendFrame(kind, .only, bytes, compress)
                return nil
            } catch {
                return error
            }
        }
        return error.flatMap { $0.map { WebSocketError($0, outcome: handle.outcome) } }
    }

    nonisolated(nonsending) func send(_ frame: OutboundFrame) async throws(WebSocketError) {
        guard handle.loop.isOnLoop else { return try await handle.sendOffLoop(frame) }
        guard canSend(frame.position) else { return try await handle.sendWhenWritable(frame) }
        if let error = write(frame) { throw error }
    }

    private func write(_ frame: OutboundFrame) -> WebSocketError? {
        let error = handle.withConnection { connection -> Endpoint.SendError? in
            do throws(Endpoint.SendError) {
                try connection.sendFrame(frame)
                return nil
            } catch {
                return error
            }
        }
        return error.flatMap { $0.map { WebSocketError($0, outcome: handle.outcome) } }
    }

    // MARK: Receiving

    /// Receives the next message in place, without a copy.
    ///
    /// On the connection's event loop, where handlers of servers run, `body` reads the message from the socket's read
    /// buffer; elsewhere the message is copied once.
    ///
    /// - Parameter body: A function that is called once with the message.
    /// - Returns: What `body` returned, or `nil` if the peer closed with 1000, with 1001, or without a code.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/closed`` if the connection ended otherwise,
    ///   ``WebSocketError/Code/concurrentReceive`` if another task receives, or ``WebSocketError/Code/cancelled`` if
    ///   the task was cancelled; no message is lost then.
    @inlinable
    public nonisolated(nonsending) func receive<Result>(
        _ body: (borrowing ReceivedMessage) -> Result
    ) async throws(WebSocketError) -> Result? {
        // The generic code is a thin shell around code that is not generic, so that clients of the library can
        // specialise it. A message that has arrived already costs no asynchronous call.
        if let message = readyMessage() { return body(message) }
        // What is alive across a wait takes memory on idle connections, so no message is.
        var result: Result?
        while true {
            switch try takeMessage({ result = body($0) }) {
            case .isDone: return result
            case .waits: try await waitForMessage()
            case .goesOffLoop:
                try await takeMessageOffLoop { result = body($0) }
                return result
            }
        }
    }

    /// Returns a whole message that has arrived, in place; `nil` if there is none, or if only ``takeMessage(_:)`` can
    /// find it.
    @usableFromInline
    func readyMessage() -> ReceivedMessage? {
        guard handle.loop.isOnLoop else { return nil }
        let message = handle.withConnection { $0.unwritten == 0 ? $0.pullWhole() : nil }
        guard let message, let message else { return nil }
        return ReceivedMessage(message)
    }

    /// The next step of a receive.
    @usableFromInline
    enum ReceiveStep {
        /// A message has been taken, or no message will arrive.
        case isDone
        /// The task waits for a message, or until the transport has accepted what was enqueued without waiting.
        case waits
        /// The task does not run on the loop, or has left it, as a task of an actor may.
        case goesOffLoop
    }

    /// Takes the next whole message, if there is one, in place.
    @usableFromInline
    @inline(never)
    func takeMessage(_ body: (borrowing ReceivedMessage) -> Void) throws(WebSocketError) -> ReceiveStep {
        guard handle.loop.isOnLoop else { return .goesOffLoop }
        switch handle.withConnection({ WebSocket.takeMessage(from: $0, body) }) {
        case .done?: return .isDone
        case .outputWaits?: return .waits
        case .nothing?:
            try handle.checkCancellation()
            try handle.checkNobodyReceives()
            return .waits
        case .ended?:
            try checkEnd(handle.outcome)
            return .isDone
        case nil:
            if let item = handle.takeUnread(whole: true) {
                body(ReceivedMessage(item))
            } else {
                try checkEnd(handle.outcome)
            }
            return .isDone
        }
    }

    /// The result of an attempt to take a message.
    private enum Taken {
        case done
        /// Nothing was taken, because the transport must first accept what was enqueued without waiting.
        case outputWaits
        case nothing
        case ended
    }

    private static func takeMessage(
        from connection: Connection, _ body: (borrowing ReceivedMessage) -> Void
    ) -> Taken {
        if connection.unwritten > 0 { return .outputWaits }
        while true {
            switch connection.pull() {
            case .borrowed(let message):
                if message.isFirst, message.isLast {
                    body(ReceivedMessage(message))
                    return .done
                }
                guard let whole = connection.join(Inbox.Item(message)) else { continue }
                body(ReceivedMessage(whole))
                return .done
            case .kept(let item):
                guard let whole = connection.join(item) else { continue }
                body(ReceivedMessage(whole))
                return .done
            case .nothing: return .nothing
            case .ended: return .ended
            }
        }
    }

    /// Waits until there may be a message; on the loop.
    @usableFromInline
    @inline(never)
    nonisolated(nonsending) func waitForMessage() async throws(WebSocketError) {
        // The server wakes the handler's task when it cancels it, so no cancellation handler is needed.
        if isOwnWait { return await handle.waitForOwnMessage() }
        try await waitForMessageClosely()
    }

    /// Whether the current task is the server's handler task, and waits only for a message.
    private var isOwnWait: Bool {
        handle.loop.isOnLoop && handle.withConnection { $0.unwritten == 0 && $0.isInHandlerTask } == true
    }

    @inline(never)
    private nonisolated(nonsending) func waitForMessageClosely() async throws(WebSocketError) {
        if handle.loop.isOnLoop, handle.withConnection({ $0.unwritten > 0 }) == true { return try await waitForRoom() }
        try await handle.waitForMessage()
    }

    /// Takes the next whole message for a task that does not run on the loop.
    @usableFromInline
    @inline(never)
    nonisolated(nonsending) func takeMessageOffLoop(
        _ body: (borrowing ReceivedMessage) -> Void, until deadline: MonotonicInstant? = nil
    ) async throws(WebSocketError) {
        if let item = try await handle.receiveOffLoop(whole: true, deadline: deadline) {
            return body(ReceivedMessage(item))
        }
        try checkEnd(await handle.outcomeOffLoop())
    }

    /// Waits until the transport has accepted what was enqueued without waiting.
    @inline(never)
    private nonisolated(nonsending) func waitForRoom() async throws(WebSocketError) {
        do {
            try await waitUntilWritable()
        } catch {
            // The end is reported once everything before it has been received.
            guard error.code == .closed else { throw error }
        }
    }

    /// Receives the next message, or part of one; returns `nil` at the end.
    ///
    /// - Parameter deadline: The instant at which the wait ends with ``WebSocketError/Code/timedOut``.
    nonisolated(nonsending) func next(
        until deadline: MonotonicInstant? = nil
    ) async throws(WebSocketError) -> Inbox.Item? {
        while deadline == nil, handle.loop.isOnLoop {
            switch takeNext() {
            case .item(let item): return item
            case .nothing: try await handle.waitForMessage()
            case .ended: return nil
            }
        }
        return try await handle.receiveOffLoop(whole: false, deadline: deadline)
    }

    private enum Next {
        case item(Inbox.Item)
        case nothing
        case ended
    }

    /// Takes a message, or part of one, that has arrived; on the loop.
    private func takeNext() -> Next {
        let pulled = handle.withConnection { connection -> Next in
            switch connection.pullSlowPath() {
            case .borrowed(let message): .item(Inbox.Item(message))
            case .kept(let item): .item(item)
            case .nothing: .nothing
            case .ended: .ended
            }
        }
        return pulled ?? handle.takeUnread(whole: false).map { .item($0) } ?? .ended
    }

    /// Throws if the connection ended in an unexpected way (``CloseOutcome/isExpected``).
    private func checkEnd(_ outcome: CloseOutcome?) throws(WebSocketError) {
        guard let outcome, !outcome.isExpected else { return }
        throw .closed(outcome)
    }

    // MARK: Compression

    /// How much compression has saved on this connection so far.
    public var compressionStatistics: CompressionStatistics {
        get async { await handle.onLoop { $0.compressionStatistics } }
    }

    // MARK: Heartbeat

    /// Sends a Ping and waits for its Pong ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)).
    ///
    /// If nothing at all arrives from the peer within the Pong timeout (`HeartbeatConfiguration.timeout`), the
    /// connection is ended. If other frames arrive, but not the Pong, the wait ends after twice that time.
    ///
    /// - Returns: The round-trip time.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/timedOut`` if the peer is alive but its Pong
    ///   has not arrived, ``WebSocketError/Code/closed``, ``WebSocketError/Code/tooManyPings`` or
    ///   ``WebSocketError/Code/cancelled``.
    public nonisolated(nonsending) func ping() async throws(WebSocketError) -> Duration {
        try await handle.ping()
    }

    /// The last round-trip time, measured with a Ping of the heartbeat or of the application; `nil` before the first
    /// Pong.
    public var roundTripTime: Duration? {
        get async { await handle.onLoop { $0.roundTripTime } }
    }

    // MARK: Closing

    /// Runs the closing handshake ([RFC 6455 §7](https://www.rfc-editor.org/rfc/rfc6455#section-7)) and waits until TCP
    /// has ended.
    ///
    /// Messages that arrive before the peer's Close frame can still be received (§5.5.1). Those that no task receives
    /// are dropped once they exceed ``BufferLimits/inbound``. If the connection has ended already, its outcome is
    /// returned.
    ///
    /// - Parameters:
    ///   - code: 1000–1003, 1007–1014 or 3000–4999. Default: 1000.
    ///   - reason: At most 123 bytes of UTF-8. Default: empty.
    /// - Returns: How the connection ended: cleanly, or why not.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidCloseFrame`` if the code or the reason
    ///   cannot be sent. An end that is not clean is an outcome, not an error.
    @discardableResult
    public nonisolated(nonsending) func close(
        code: CloseCode = .normalClosure, reason: String = ""
    ) async throws(WebSocketError) -> CloseOutcome {
        let frame: CloseFrame
        do throws(CloseFrameError) {
            frame = try CloseFrame(code: code, reason: reason)
        } catch {
            throw WebSocketError(.invalidCloseFrame, "\(error)")
        }
        return await close(frame)
    }

    @discardableResult
    nonisolated(nonsending) func close(_ frame: CloseFrame) async -> CloseOutcome {
        handle.close(frame)
        await handle.waitForTermination()
        // The outcome is set by the time TCP has ended.
        return await handle.outcomeOffLoop().unsafelyUnwrapped
    }

    /// How the connection ended; `nil` while it is open.
    public var outcome: CloseOutcome? {
        get async { await handle.outcomeOffLoop() }
    }
}

extension WebSocket: Hashable, Identifiable {
    /// Returns whether both values refer to the same connection.
    public static func == (left: WebSocket, right: WebSocket) -> Bool { left.handle === right.handle }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(handle))
    }
}
