import LifelineCore

/// Opens connections.
public enum WebSocketClient {
    /// Opens a connection, calls `handler` with it, and closes it when `handler` returns or throws.
    ///
    /// ```swift
    /// let answer = try await WebSocketClient.connect(to: "ws://127.0.0.1:8080/echo") { socket in
    ///     try await socket.send("hello")
    ///     return try await socket.receive { $0.text }
    /// }
    /// ```
    ///
    /// However `handler` is left, the closing handshake is run (with 1000 where it returned, 1001 where the task was
    /// cancelled, 1011 or a ``WebSocketCloseError``'s code where it threw), and has ended when this function returns. It is bounded by
    /// `EndpointConfiguration.closeTimeout`.
    ///
    /// - Parameters:
    ///   - url: A URL with the scheme `ws` or `wss`.
    ///   - configuration: What to ask for, and the limits to keep.
    ///   - handler: What to do with the connection. It runs where the caller runs, or on the connection's event loop
    ///     (``WebSocketClientConfiguration/handlesOnLoop``).
    /// - Returns: What `handler` returned.
    /// - Throws: What `handler` threw, or a ``WebSocketError`` where no connection came about:
    ///   ``WebSocketError/Code/invalidRequest``, ``WebSocketError/Code/connectFailed``,
    ///   ``WebSocketError/Code/tlsFailed``, ``WebSocketError/Code/handshakeRefused``,
    ///   ``WebSocketError/Code/handshakeFailed``, ``WebSocketError/Code/handshakeInterrupted`` or
    ///   ``WebSocketError/Code/cancelled``.
    public nonisolated(nonsending) static func connect<Result>(
        to url: String, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        handler: nonisolated(nonsending) (WebSocket) async throws -> Result
    ) async throws -> Result {
        try await connect(to: WebSocketURL(url), configuration: configuration, handler: handler)
    }

    /// Opens a connection, calls `handler` with it, and closes it when `handler` returns or throws; see
    /// ``connect(to:configuration:handler:)-(String,_,_)``.
    public nonisolated(nonsending) static func connect<Result>(
        to url: WebSocketURL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        handler: nonisolated(nonsending) (WebSocket) async throws -> Result
    ) async throws -> Result {
        let engine = try EngineFactory.engine(configuration.engine, loopCount: nil, usesTLS: url.isSecure)
        let loop = engine.nextLoop()
        // The task is on the loop before the connection is, so that it takes what comes with the server's answer.
        let executor = configuration.handlesOnLoop ? loop : nil
        return try await withTaskExecutorPreference(executor) {
            try await connect(to: url, configuration, engine, on: loop, handler)
        }
    }

    private nonisolated(nonsending) static func connect<Result>(
        to url: WebSocketURL, _ configuration: WebSocketClientConfiguration, _ engine: any Engine, on loop: Loop,
        _ handler: nonisolated(nonsending) (WebSocket) async throws -> Result
    ) async throws -> Result {
        let socket = try await open(url, configuration, engine, on: loop)
        do {
            let result = try await handler(socket)
            await socket.close(CloseFrame(.normalClosure, ""))
            return result
        } catch {
            let frame =
                (error as? WebSocketCloseError)?.frame
                ?? CloseFrame(Task.isCancelled ? .goingAway : .internalError, "")
            await socket.close(frame)
            throw error
        }
    }

    /// Opens a connection that the caller closes, for an owner that outlives a function: an actor, a view model.
    ///
    /// ```swift
    /// let socket = try await WebSocketClient.open(to: "ws://127.0.0.1:8080/chat")
    /// try await socket.send("hello")
    /// try await socket.close()
    /// ```
    ///
    /// The connection stays open until ``WebSocket/close(code:reason:)`` is called, or the peer or the network ends it, even if
    /// nothing refers to it any more. ``connect(to:configuration:handler:)-(String,_,_)`` closes it by itself.
    ///
    /// - Parameters:
    ///   - url: A URL with the scheme `ws` or `wss`.
    ///   - configuration: What to ask for, and the limits to keep. ``WebSocketClientConfiguration/handlesOnLoop`` has no effect.
    /// - Returns: The open connection.
    /// - Throws: ``WebSocketError`` as ``connect(to:configuration:handler:)-(String,_,_)`` does.
    public nonisolated(nonsending) static func open(
        to url: String, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration()
    ) async throws(WebSocketError) -> WebSocket {
        try await open(to: WebSocketURL(url), configuration: configuration)
    }

    /// Opens a connection that the caller closes; see ``open(to:configuration:)-(String,_)``.
    public nonisolated(nonsending) static func open(
        to url: WebSocketURL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration()
    ) async throws(WebSocketError) -> WebSocket {
        let engine = try EngineFactory.engine(configuration.engine, loopCount: nil, usesTLS: url.isSecure)
        return try await open(url, configuration, engine, on: engine.nextLoop())
    }

    /// Opens a connection that nobody closes but the caller.
    ///
    /// - Parameter makeHandler: Makes the handler on the loop that is to receive; `nil` where tasks do.
    static func open(
        _ url: WebSocketURL, _ configuration: WebSocketClientConfiguration, _ engine: any Engine, on loop: Loop,
        makeHandler: ConnectionAttempt.MakeHandler? = nil
    ) async throws(WebSocketError) -> WebSocket {
        let tls = url.isSecure ? try TLSContext(configuration.tls) : nil
        var random = engine.makeRandom()
        let handshake: ClientHandshake
        do throws(HandshakeFailure) {
            handshake = try ClientHandshake(
                authority: url.authority, path: url.path, subprotocols: configuration.subprotocols,
                extensions: configuration.endpoint.compression?.offers ?? [], headerFields: configuration.headerFields,
                random: &random)
        } catch {
            throw WebSocketError(.invalidRequest, error.message, handshakeFailure: error)
        }
        let attempt = ConnectionAttempt(
            to: url.authority, handshake, configuration, clock: loop.driver, makeHandler: makeHandler)
        attempt.observe(.connecting(host: url.hostWithZone, port: url.port))
        return try await attempt.run { attempt in
            engine.connect(
                to: ConnectTarget(
                    host: url.hostWithZone, port: url.port, tls: tls, serverName: url.host,
                    timeout: configuration.connectTimeout,
                    outboundMarks: configuration.buffers.outbound),
                on: loop, for: attempt)
        }
    }
}
