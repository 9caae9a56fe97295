public import LifelineCore

extension WebSocketClient {
    /// Opens a connection, handles its messages on its event loop, and returns when the connection has ended.
    ///
    /// ```swift
    /// let outcome = try await WebSocketClient.connectOnLoop(to: "ws://127.0.0.1:8080/push") { _ in Ticker() }
    /// ```
    ///
    /// It is the client's counterpart of ``WebSocketServer/routeOnLoop(_:subprotocols:configure:makeHandler:)``, for programs
    /// that have many connections or need very low latency. The handler receives every event of the connection, and
    /// closes it with ``OnLoopWebSocket/close(code:reason:)``. If the task is cancelled, the connection is closed with
    /// 1001.
    ///
    /// - Parameters:
    ///   - url: A URL with the scheme `ws` or `wss`.
    ///   - configuration: The offers and limits of the client. ``WebSocketClientConfiguration/handlesOnLoop`` has no
    ///     effect.
    ///   - makeHandler: Makes the handler once the opening handshake is complete; called on the connection's event
    ///     loop.
    /// - Returns: How the connection ended. TCP has ended too.
    /// - Throws: ``WebSocketError`` if the connection cannot be opened, with the codes of
    ///   ``connect(to:configuration:handler:)-(String,_,_)``. An end that is not clean is an outcome, not an error.
    public static func connectOnLoop(
        to url: String, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) async throws(WebSocketError) -> CloseOutcome {
        try await connectOnLoop(to: WebSocketURL(url), configuration: configuration, makeHandler: makeHandler)
    }

    /// Opens a connection, handles its messages on its event loop, and returns when the connection has ended; see
    /// ``connectOnLoop(to:configuration:makeHandler:)-(String,_,_)``.
    public static func connectOnLoop(
        to url: WebSocketURL, configuration: WebSocketClientConfiguration = WebSocketClientConfiguration(),
        makeHandler: @escaping @Sendable (WebSocketHandshake) -> any OnLoopHandler
    ) async throws(WebSocketError) -> CloseOutcome {
        let engine = try EngineFactory.engine(configuration.engine, loopCount: nil, usesTLS: url.isSecure)
        let socket = try await open(
            url, configuration, engine, on: engine.nextLoop(), makeHandler: makeHandler)
        return await withTaskCancellationHandler {
            await socket.end
        } onCancel: {
            socket.handle.close(CloseFrame(.goingAway, ""))
        }
    }
}

extension WebSocket {
    /// How the connection ended, once TCP has ended too.
    fileprivate var end: CloseOutcome {
        get async {
            await handle.waitForTermination()
            guard let outcome = await outcome else { preconditionFailure("TCP has ended, but the WebSocket has not") }
            return outcome
        }
    }
}
