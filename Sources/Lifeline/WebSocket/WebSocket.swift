public import LifelineCore
public import NIOCore

/// One open connection, of a client or of a server.
///
/// Messages are received by iterating, in one task:
///
/// ```swift
/// for try await message in socket {
///     try await socket.send(message)
/// }
/// ```
///
/// Any task may send, ping and close at any time. Control frames, heartbeats and the closing handshake run on the
/// connection's event loop whether or not anybody receives: a handler that never iterates stays alive, and a dead peer is
/// found while the application is busy.
///
/// A connection ends with its scope: when the handler of a server's route, or the closure given to
/// ``WebSocketClient/connect(to:configuration:handler:)``, returns or throws, the closing handshake is run.
public struct WebSocket: Sendable {
    let handle: ConnectionHandle
    /// What was asked and agreed in the opening handshake.
    public let handshake: WebSocketHandshake

    /// A number of the connection's own within the process, for logs.
    public var id: UInt64 { handle.id }

    // MARK: Sending

    /// Sends a text message.
    ///
    /// It waits while the peer reads too slowly (``BufferLimits/outbound``), and while a fragmented message is being sent.
    ///
    /// - Parameters:
    ///   - text: The message.
    ///   - compress: Whether it is compressed, where that is agreed (``WebSocketHandshake/compression``).
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/closed`` when the connection ends or has ended, or
    ///   ``WebSocketError/Code/cancelled`` when the task was cancelled; the message has not been sent then.
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

    /// Sends a binary message. The bytes are not copied where there are many of them, and no mask is needed.
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

    /// Sends a message that goes to many connections, and is compressed once for all of them.
    ///
    /// It waits and throws as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func send(_ message: PreparedMessage) async throws(WebSocketError) {
        try await send(OutboundFrame(message))
    }

    /// Sends a received message back, or on to another connection, without waiting; for use inside ``receive(_:)-(_->Result)``.
    ///
    /// It does not wait for a peer that reads too slowly. On the connection's event loop the next ``receive(_:)-(_->Result)`` does, so that a
    /// loop of the two holds as little as one of ``receive(_:)-(_->Result)`` and `send`. Elsewhere nothing slows the sender down: a
    /// connection with more than ``BufferLimits/maximumOutbound`` waiting is ended, so `send` is the better choice there.
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
    /// A connection with more than ``BufferLimits/maximumOutbound`` waiting is ended; see ``bufferedBytes``.
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

    /// The bytes that wait to be sent: those that the socket has not taken yet, and messages that wait for a fragmented one to
    /// end. `0` once the connection has ended.
    public var bufferedBytes: Int {
        get async { await handle.onLoop { $0.withConnection(\.bufferedBytes) ?? 0 } }
    }

    /// Waits until the transport takes more, so that ``enqueue(_:)-(PreparedMessage)`` adds little to what waits.
    ///
    /// - Throws: ``WebSocketError`` as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func waitUntilWritable() async throws(WebSocketError) {
        if handle.loop.isOnLoop {
            guard !canSend(.only) else { return }
            try await handle.sendWhenWritable(nil)
        } else {
            try await handle.sendOffLoop(nil)
        }
    }

    /// Whether a send may go ahead; on the loop.
    @inline(__always)
    private func canSend(_ position: FragmentPosition) -> Bool {
        handle.withConnection { $0.canSend(position) } ?? false
    }

    /// Writes a message; on the loop, where ``canSend(_:)`` says so.
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

    /// Receives the next message where it lies, without a copy.
    ///
    /// On the connection's event loop, where handlers of servers run, the message comes straight from the socket's read
    /// buffer; elsewhere it is copied once.
    ///
    /// - Parameter body: Is called once with the message.
    /// - Returns: What `body` returned, or `nil` where the peer closed with 1000, 1001, or without a code.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/closed`` where the connection ended otherwise,
    ///   ``WebSocketError/Code/concurrentReceive`` where another task receives, and ``WebSocketError/Code/cancelled``
    ///   where the task was cancelled; no message is lost then.
    @inlinable
    public nonisolated(nonsending) func receive<Result>(
        _ body: (borrowing ReceivedMessage) -> Result
    ) async throws(WebSocketError) -> Result? {
        // Generic code is a thin shell around what is not, so that clients of the library can specialize it. A message
        // that is there already costs no asynchronous call.
        if let message = readyMessage() { return body(message) }
        // What is alive across a wait is memory that an idle connection takes, so no message is.
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

    /// A whole message that is there, where it lies; `nil` where one has to wait, or to look more closely.
    @usableFromInline
    func readyMessage() -> ReceivedMessage? {
        guard handle.loop.isOnLoop else { return nil }
        let message = handle.withConnection { $0.unwritten == 0 ? $0.pullWhole() : nil }
        guard let message, let message else { return nil }
        return ReceivedMessage(message)
    }

    /// What receives next have to do.
    @usableFromInline
    enum ReceiveStep {
        /// There is a message, or none will come.
        case isDone
        /// For a message, or until the transport takes what was enqueued without waiting.
        case waits
        /// An actor's task may not be on the loop, or may have left it.
        case goesOffLoop
    }

    /// Takes the next whole message, where there is one; it lies where it came.
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

    /// What was found where a message was to be taken.
    private enum Taken {
        case done
        /// Nothing was looked for: what was enqueued without waiting has to be taken by the transport first.
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

    /// Waits, on the loop, until there may be a message.
    @usableFromInline
    @inline(never)
    nonisolated(nonsending) func waitForMessage() async throws(WebSocketError) {
        // The server wakes a handler's own task where it cancels it.
        if isOwnWait { return await handle.waitForOwnMessage() }
        try await waitForMessageClosely()
    }

    /// Whether the handler's own task waits for a message alone.
    private var isOwnWait: Bool {
        handle.loop.isOnLoop && handle.withConnection { $0.unwritten == 0 && $0.isInHandlerTask } == true
    }

    @inline(never)
    private nonisolated(nonsending) func waitForMessageClosely() async throws(WebSocketError) {
        if handle.loop.isOnLoop, handle.withConnection({ $0.unwritten > 0 }) == true { return try await waitForRoom() }
        try await handle.waitForMessage()
    }

    /// Takes the next whole message anywhere but on the loop.
    @usableFromInline
    @inline(never)
    nonisolated(nonsending) func takeMessageOffLoop(
        _ body: (borrowing ReceivedMessage) -> Void
    ) async throws(WebSocketError) {
        if let item = try await handle.receiveOffLoop(whole: true) { return body(ReceivedMessage(item)) }
        try checkEnd(await handle.outcomeOffLoop())
    }

    /// Waits for the transport to take what was enqueued without waiting.
    @inline(never)
    private nonisolated(nonsending) func waitForRoom() async throws(WebSocketError) {
        do {
            try await waitUntilWritable()
        } catch {
            // The end is told once everything before it has been received.
            guard error.code == .closed else { throw error }
        }
    }

    /// What comes next: a message, or a part of one; `nil` at the end.
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

    /// A message, or a part of one, that is there; on the loop.
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

    /// Throws unless the connection ended the way a conversation should.
    func checkEnd(_ outcome: CloseOutcome?) throws(WebSocketError) {
        guard let outcome, !outcome.isExpected else { return }
        throw .closed(outcome)
    }

    // MARK: Compression

    /// What compression has saved on the connection so far.
    public var compressionStatistics: CompressionStatistics {
        get async { await handle.onLoop { $0.compressionStatistics } }
    }

    // MARK: Heartbeat

    /// Sends a Ping and waits for the Pong (§5.5.2).
    ///
    /// Where nothing at all has been heard from the peer for the pong timeout (`HeartbeatConfiguration.timeout`), the
    /// connection is ended; where other things have, the wait ends after twice that time.
    ///
    /// - Returns: The time of the round trip.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/timedOut`` where the peer lives, but its Pong has not
    ///   come, ``WebSocketError/Code/closed``, ``WebSocketError/Code/tooManyPings`` or ``WebSocketError/Code/cancelled``.
    public nonisolated(nonsending) func ping() async throws(WebSocketError) -> Duration {
        try await handle.ping()
    }

    /// The time of the last round trip, of the heartbeat's Pings or of the application's; `nil` before the first Pong.
    public var roundTripTime: Duration? {
        get async { await handle.onLoop { $0.roundTripTime } }
    }

    // MARK: Closing

    /// Runs the closing handshake (§7) and waits until TCP has ended.
    ///
    /// Messages that arrive before the peer's Close frame can still be received (§5.5.1); what nobody receives is dropped above
    /// ``BufferLimits/inbound``. Where the connection has ended already, its outcome is returned.
    ///
    /// - Parameters:
    ///   - code: 1000–1003, 1007–1014 or 3000–4999.
    ///   - reason: At most 123 bytes of UTF-8.
    /// - Returns: How the connection ended: clean, or why not.
    /// - Throws: ``WebSocketError`` with the code ``WebSocketError/Code/invalidCloseFrame`` where the code or the reason
    ///   cannot be sent. An end that is not clean is no error here, but an outcome.
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
        // Decided by the time TCP has ended.
        return await handle.outcomeOffLoop().unsafelyUnwrapped
    }

    /// How the connection ended, or `nil` while it has not.
    public var outcome: CloseOutcome? {
        get async { await handle.outcomeOffLoop() }
    }
}

extension WebSocket: Hashable, Identifiable {
    /// Whether both are the same connection.
    public static func == (left: WebSocket, right: WebSocket) -> Bool { left.handle === right.handle }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(handle))
    }
}
