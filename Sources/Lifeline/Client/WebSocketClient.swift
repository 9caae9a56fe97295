import LifelineCore

/// Opens client connections ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
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
    /// The closing handshake has ended when this function returns. The close code is 1000 if `handler` returned, 1001
    /// if the task was cancelled, and otherwise 1011 or the code of the ``WebSocketCloseError`` that `handler` threw.
    /// `EndpointConfiguration.closeTimeout` limits how long the closing handshake takes.
    ///
    /// - Parameters:
    ///   - url: A URL with the scheme `ws` or `wss`.
    ///   - configuration: The offers and limits of the client.
    ///   - handler: Uses the connection. It runs where the caller runs, or on the connection's event loop
    ///     (``WebSocketClientConfiguration/handlesOnLoop``).
    /// - Returns: What `handler` returned.
    /// - Throws: What `handler` threw, or a ``WebSocketError`` if the connection cannot be opened:
    ///   ``WebSocketError/Code/invalidRequest``, ``WebSocketError/Code/invalidConfiguration``,
    ///   ``WebSocketError/Code/connectFailed``, ``WebSocketError/Code/tlsFailed``,
    ///   ``WebSocketError/Code/handshakeRefused``, ``WebSocketError/Code/handshakeFailed``,
    ///   ``WebSocketError/Code/handshakeInterrupted`` or ``WebSocketError/Code/cancelled``.
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
        let engine = try EngineFactory.engine(configuration, usesTLS: url.isSecure)
        let loop = engine.nextLoop()
        // The task moves to the loop before the connection is made, so that it receives messages that arrive together
        // with the server's response.
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

    /// Opens a connection that the caller closes, for an owner that outlives a function, such as an actor or a view
    /// model.
    ///
    /// ```swift
    /// let socket = try await WebSocketClient.open(to: "ws://127.0.0.1:8080/chat")
    /// try await socket.send("hello")
    /// try await socket.close()
    /// ```
    ///
    /// The connection stays open until ``WebSocket/close(code:reason:)`` is called, or the peer or the network ends it,
    /// even if nothing refers to it any more. Use ``connect(to:configuration:handler:)-(String,_,_)`` to have it closed
    /// automatically.
    ///
    /// - Parameters:
    ///   - url: A URL with the scheme `ws` or `wss`.
    ///   - configuration: The offers and limits of the client. ``WebSocketClientConfiguration/handlesOnLoop`` has no
    ///     effect.
    /// - Returns: The open connection.
    /// - Throws: ``WebSocketError`` with the codes of ``connect(to:configuration:handler:)-(String,_,_)``.
    public nonisolated(nonsending) static func open(
        to url: String, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration()
    ) async throws(WebSocketError) -> WebSocket {
        try await open(to: WebSocketURL(url), configuration: configuration)
    }

    /// Opens a connection that the caller closes; see ``open(to:configuration:)-(String,_)``.
    public nonisolated(nonsending) static func open(
        to url: WebSocketURL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration()
    ) async throws(WebSocketError) -> WebSocket {
        let engine = try EngineFactory.engine(configuration, usesTLS: url.isSecure)
        return try await open(url, configuration, engine, on: engine.nextLoop())
    }

    /// Opens a connection on a loop.
    ///
    /// - Parameter makeHandler: Makes the on-loop handler that receives; `nil` if tasks receive.
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
        let address = configuration.connectTo ?? .hostname(url.hostWithZone, port: url.port)
        try address.check(ports: 1...65_535, setting: "connectTo")
        let attempt = ConnectionAttempt(
            to: configuration.connectTo.map { "\(url.authority) at \($0)" } ?? url.authority, handshake, configuration,
            clock: loop.driver, makeHandler: makeHandler)
        attempt.observe(.connecting(to: address))
        return try await attempt.run { attempt in
            engine.connect(
                to: ConnectTarget(
                    address: address, tls: tls, serverName: url.host, timeout: configuration.connectTimeout,
                    outboundMarks: configuration.buffers.outbound),
                on: loop, for: attempt)
        }
    }
}
