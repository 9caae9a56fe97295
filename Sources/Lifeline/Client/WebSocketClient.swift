internal import LifelineCore
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

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
    /// cancelled, 1011 where it threw), and has ended when this function returns. It is bounded by
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
        let url = try WebSocketURL(url)
        let eventLoop = NIOEngine.shared.group.next()
        // The task is on the loop before the connection is, so that it takes what comes with the server's answer.
        let executor = configuration.handlesOnLoop ? NIOEngine.shared.loop(of: eventLoop).executor : nil
        return try await withTaskExecutorPreference(executor) {
            try await connect(to: url, configuration, on: eventLoop, handler)
        }
    }

    private nonisolated(nonsending) static func connect<Result>(
        to url: WebSocketURL, _ configuration: WebSocketClientConfiguration, on eventLoop: any EventLoop,
        _ handler: nonisolated(nonsending) (WebSocket) async throws -> Result
    ) async throws -> Result {
        let socket = try await open(url, configuration, on: eventLoop)
        do {
            let result = try await handler(socket)
            await socket.close(CloseFrame(.normalClosure, ""))
            return result
        } catch {
            await socket.close(
                Task.isCancelled ? CloseFrame(.goingAway, "") : CloseFrame(.internalError, ""))
            throw error
        }
    }

    /// Opens a connection that nobody closes but the caller.
    private static func open(
        _ url: WebSocketURL, _ configuration: WebSocketClientConfiguration, on eventLoop: any EventLoop
    ) async throws(WebSocketError) -> WebSocket {
        let tls = url.isSecure ? try configuration.tls.makeContext() : nil
        var random = RandomPool()
        let request: ClientHandshake
        do throws(HandshakeFailure) {
            request = try ClientHandshake(
                authority: url.authority, path: url.path, subprotocols: configuration.subprotocols,
                headerFields: configuration.headerFields, random: &random)
        } catch {
            throw WebSocketError(.invalidRequest, error.message, handshakeFailure: error)
        }
        let attempt = ConnectionAttempt(request.request)
        let engine = NIOEngine.shared
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(configuration.buffers.outbound))
            .channelOption(.recvAllocator, value: NIOTransport.receiveAllocator)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(makeTLSHandler(tls, host: url.host))
                    }
                    let handler = NIOTransport(engine, channel.eventLoop, ownsReadBuffers: tls == nil) { transport, channel in
                        let loop = engine.loop(of: channel.eventLoop)
                        return Connection(
                            loop: loop, id: NIOEngine.nextConnectionID(), transport: transport,
                            remoteAddress: channel.remoteAddress?.name ?? "unknown", owner: attempt,
                            limits: configuration.buffers, observer: configuration.observer,
                            endpoint: Endpoint(
                                client: request, configuration: configuration.endpoint, at: loop.driver.now(),
                                random: &loop.random))
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        return try await attempt.run { attempt in
            bootstrap.connect(host: url.host, port: url.port).whenFailure { attempt.connectFailed($0) }
        }
    }

    private static func makeTLSHandler(_ context: NIOSSLContext, host: String) throws -> NIOSSLClientHandler {
        // An address is no server name (RFC 6066 §3); the certificate is checked against the address then.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }
}
