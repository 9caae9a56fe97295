import LifelineCore
import NIOCore
import NIOPosix
import NIOSSL

/// A server's listening socket.
struct Listener: Sendable {
    /// The address at which it listens, with the port that was found.
    let address: ServerAddress
    private let channel: any Channel
    private let serving: Serving

    static func listen(
        at address: ServerAddress, _ serving: Serving, _ engine: NIOEngine, _ tls: NIOSSLContext?
    ) async throws(WebSocketError) -> Listener {
        let bootstrap = bootstrap(serving, engine, tls)
        do {
            switch address.storage {
            case .hostname(let host, let port):
                let channel = try await bootstrap.bind(host: host, port: port).get()
                let found = ServerAddress.hostname(host, port: channel.localAddress?.port ?? port)
                return Listener(address: found, channel: channel, serving: serving)
            case .unixDomainSocket(let path):
                let channel = try await bootstrap.bind(
                    unixDomainSocketPath: path, cleanupExistingSocketFile: true
                ).get()
                return Listener(address: address, channel: channel, serving: serving)
            }
        } catch {
            let message = "cannot listen at \(address): \(NetworkErrorText.describe(error))"
            throw WebSocketError(.listenFailed, message, underlyingError: error)
        }
    }

    private static func bootstrap(
        _ serving: Serving, _ engine: NIOEngine, _ tls: NIOSSLContext?
    ) -> ServerBootstrap {
        let configuration = serving.configuration
        return ServerBootstrap(group: engine.group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(configuration.buffers.outbound))
            .childChannelOption(.recvAllocator, value: NIOTransport.receiveAllocator)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    let handler = NIOTransport(engine, channel.eventLoop, ownsReadBuffers: tls == nil) { transport, channel in
                        let loop = engine.loop(of: channel.eventLoop)
                        return Connection(
                            loop: loop, id: NIOEngine.nextConnectionID(), transport: transport,
                            remoteAddress: channel.remoteAddress?.name ?? "unknown", owner: serving,
                            limits: configuration.buffers, observer: configuration.observer,
                            endpoint: Endpoint(
                                server: configuration.endpoint, at: loop.driver.now(), random: &loop.random))
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
    }

    /// Stops listening, closes each connection with 1001, waits for the answers, and ends what has not ended in time.
    func shutDown(_ engine: NIOEngine) async {
        serving.beginShutdown()
        try? await channel.close().get()
        forEachConnection(engine) { $0.shutDown() }
        let serving = serving
        let timeout = serving.configuration.shutdownTimeout
        let force = Task {
            guard (try? await Task.sleep(for: timeout)) != nil else { return }
            serving.cancelHandlers()
            forEachConnection(engine) { $0.abort("the server's shutdown took longer than \(timeout)") }
            // What has been cancelled gets a moment to return; a handler that ignores it cannot hold up the shutdown.
            guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
            serving.giveUpWaiting()
        }
        await serving.waitUntilIdle()
        force.cancel()
        // A handler that goes on regardless still needs its loop.
        if serving.isIdle { await engine.shutDown() }
    }

    private func forEachConnection(_ engine: NIOEngine, _ body: @escaping @Sendable (Connection) -> Void) {
        let serving = serving
        for loop in engine.all {
            loop.driver.execute {
                loop.beginTurn()
                for connection in loop.connections where connection.owner === serving { body(connection) }
                loop.endTurn()
            }
        }
    }
}
