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
    let connection: Connection
    /// What was asked and agreed in the opening handshake.
    public let handshake: WebSocketHandshake

    /// A number of the connection's own within the process, for logs.
    public var id: UInt64 { connection.id }

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
        if connection.loop.isOnLoop, connection.canSend() {
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
        if connection.loop.isOnLoop, connection.canSend() {
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
        _ message: Message, compress: MessageCompression = .automatic
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

    /// Sends a received message back, or on, from where it lies, without waiting; for use inside
    /// ``receive(_:)``.
    ///
    /// It does not wait where the peer reads too slowly. On the connection's event loop the next ``receive(_:)`` does, so
    /// that a loop of the two is as bounded as one of ``receive(_:)`` and `send`. Elsewhere nothing slows the sender, and a
    /// connection with more than ``BufferLimits/maximumOutbound`` waiting is ended: `send` is the better choice there.
    ///
    /// - Returns: Whether it goes out; `false` where the connection is closing. Off the connection's event loop that is not
    ///   known yet, and the answer is `true`.
    @discardableResult
    @inline(__always)
    public func enqueue(_ message: borrowing ReceivedMessage) -> Bool {
        if connection.loop.isOnLoop {
            do throws(SendError) {
                _ = try connection.enqueue(message.kind, message.payload)
                return true
            } catch {
                return false
            }
        }
        let frame = OutboundFrame(kind: message.kind, position: .only, payload: message.buffer)
        connection.loop.driver.execute { [connection] in
            connection.loop.beginTurn()
            _ = frame.payload.withUnsafeReadableBytes { try? connection.enqueue(frame.kind, $0) }
            connection.loop.endTurn()
        }
        return true
    }

    /// Sends a message that goes to many connections, without waiting for a peer that reads too slowly.
    ///
    /// A connection with more than ``BufferLimits/maximumOutbound`` waiting is ended.
    ///
    /// - Returns: Whether it goes out; `false` where the connection is closing. Off the connection's event loop that is not
    ///   known yet, and the answer is `true`.
    @discardableResult
    public func enqueue(_ message: PreparedMessage) -> Bool {
        guard connection.loop.isOnLoop else {
            connection.loop.execute { [connection] in _ = try? connection.enqueue(message) }
            return true
        }
        do throws(SendError) {
            _ = try connection.enqueue(message)
            return true
        } catch {
            return false
        }
    }

    /// Waits until the transport takes more.
    ///
    /// - Throws: ``WebSocketError`` as ``send(_:compress:)-(String,_)`` does.
    public nonisolated(nonsending) func writable() async throws(WebSocketError) {
        if connection.loop.isOnLoop {
            guard !connection.canSend() else { return }
            try await connection.sendWhenWritable(nil)
        } else {
            try await connection.sendElsewhere(nil)
        }
    }

    @inline(__always)
    private func write(
        _ kind: MessageKind, _ bytes: UnsafeRawBufferPointer, _ compress: MessageCompression
    ) -> WebSocketError? {
        do throws(SendError) {
            try connection.write(kind, .only, bytes, compress)
            return nil
        } catch {
            return WebSocketError(error, outcome: connection.outcome)
        }
    }

    nonisolated(nonsending) func send(_ frame: OutboundFrame) async throws(WebSocketError) {
        guard connection.loop.isOnLoop else { return try await connection.sendElsewhere(frame) }
        guard connection.canSend(frame.position) else { return try await connection.sendWhenWritable(frame) }
        do throws(SendError) {
            try connection.write(frame)
        } catch {
            throw WebSocketError(error, outcome: connection.outcome)
        }
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
            case .goesElsewhere:
                try await takeMessageElsewhere { result = body($0) }
                return result
            }
        }
    }

    /// A whole message that is there, where it lies; `nil` where one has to wait, or to look more closely.
    @usableFromInline
    func readyMessage() -> ReceivedMessage? {
        let connection = connection
        guard connection.loop.isOnLoop, connection.unwritten == 0, let message = connection.pullWhole() else {
            return nil
        }
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
        case goesElsewhere
    }

    /// Takes the next whole message, where there is one; it lies where it came.
    @usableFromInline
    @inline(never)
    func takeMessage(_ body: (borrowing ReceivedMessage) -> Void) throws(WebSocketError) -> ReceiveStep {
        let connection = connection
        guard connection.loop.isOnLoop else { return .goesElsewhere }
        if connection.unwritten > 0 { return .waits }
        while true {
            switch connection.pull() {
            case .borrowed(let message):
                if message.isFirst, message.isLast {
                    body(ReceivedMessage(message))
                    return .isDone
                }
                guard let whole = connection.join(Inbox.Item(message)) else { continue }
                body(ReceivedMessage(whole))
                return .isDone
            case .kept(let item):
                guard let whole = connection.join(item) else { continue }
                body(ReceivedMessage(whole))
                return .isDone
            case .nothing:
                try connection.checkCancellation()
                try connection.checkNobodyReceives()
                return .waits
            case .ended:
                try checkEnd(connection.outcome)
                return .isDone
            }
        }
    }

    /// Waits, on the loop, until there may be a message.
    @usableFromInline
    @inline(never)
    nonisolated(nonsending) func waitForMessage() async throws(WebSocketError) {
        // The server wakes a handler's own task where it cancels it.
        if connection.unwritten == 0, connection.isInHandlerTask { return await connection.waitForOwnMessage() }
        try await waitForMessageClosely()
    }

    @inline(never)
    private nonisolated(nonsending) func waitForMessageClosely() async throws(WebSocketError) {
        if connection.unwritten > 0 { return try await waitForRoom() }
        try await connection.waitForMessage()
    }

    /// Takes the next whole message anywhere but on the loop.
    @usableFromInline
    @inline(never)
    nonisolated(nonsending) func takeMessageElsewhere(
        _ body: (borrowing ReceivedMessage) -> Void
    ) async throws(WebSocketError) {
        if let item = try await connection.receiveElsewhere(whole: true) { return body(ReceivedMessage(item)) }
        try checkEnd(await connection.outcomeElsewhere())
    }

    /// Waits for the transport to take what was enqueued without waiting.
    @inline(never)
    private nonisolated(nonsending) func waitForRoom() async throws(WebSocketError) {
        do {
            try await writable()
        } catch {
            // The end is told once everything before it has been received.
            guard error.code == .closed else { throw error }
        }
    }

    /// What comes next: a message, a part of one, or the end.
    nonisolated(nonsending) func next() async throws(WebSocketError) -> Connection.Pulled {
        while connection.loop.isOnLoop {
            switch connection.pullClosely() {
            case .nothing: try await connection.waitForMessage()
            case let pulled: return pulled
            }
        }
        return try await connection.receiveElsewhere(whole: false).map { .kept($0) } ?? .ended
    }

    /// Throws unless the connection ended the way a conversation should.
    private func checkEnd(_ outcome: CloseOutcome?) throws(WebSocketError) {
        guard let outcome, !outcome.isExpected else { return }
        throw .closed(outcome)
    }

    // MARK: Compression

    /// What compression has saved on the connection so far.
    public var compressionStatistics: CompressionStatistics {
        get async { await onLoop { $0.endpoint.pointee.compressionStatistics } }
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
        let wait = Wait()
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                connection.loop.execute { [connection] in connection.ping(wait, continuation) }
            }
        } onCancel: {
            wait.cancel()
            connection.loop.driver.execute { [connection] in connection.cancelPing(wait) }
        }
        return try result.get()
    }

    /// The time of the last round trip, of the heartbeat's Pings or of the application's; `nil` before the first Pong.
    public var roundTripTime: Duration? {
        get async { await onLoop { $0.endpoint.pointee.roundTripTime } }
    }

    // MARK: Closing

    /// Runs the closing handshake (§7) and waits until TCP has ended.
    ///
    /// Messages that arrive meanwhile are dropped. Where the connection has ended already, its outcome is returned.
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
        connection.loop.execute { [connection] in connection.close(frame) }
        await connection.waitForTermination()
        // Decided by the time TCP has ended.
        return await onLoop { $0.outcome }.unsafelyUnwrapped
    }

    /// How the connection ended, or `nil` while it has not.
    public var outcome: CloseOutcome? {
        get async { await onLoop { $0.outcome } }
    }

    private func onLoop<Value: Sendable>(_ read: @escaping @Sendable (Connection) -> Value) async -> Value {
        await connection.onLoop(read)
    }
}

extension Connection {
    /// Reads something on the loop.
    func onLoop<Value: Sendable>(_ read: @escaping @Sendable (Connection) -> Value) async -> Value {
        await withUnsafeContinuation { continuation in
            loop.execute { continuation.resume(returning: read(self)) }
        }
    }

    func outcomeElsewhere() async -> CloseOutcome? {
        await onLoop { $0.outcome }
    }
}

extension CloseOutcome {
    /// Whether a conversation may end so: cleanly, with 1000, 1001, or without a code.
    public var isExpected: Bool {
        isClean && [.normalClosure, .goingAway, .noStatusReceived].contains(code)
    }
}
