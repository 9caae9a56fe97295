import LifelineCore
import NIOCore
import NIOPosix

/// The SwiftNIO engine: a loop for each event loop of a group.
final class NIOEngine: Engine {
    let name = "nio"
    private let group: any EventLoopGroup
    private let ownsGroup: Bool
    private let entries: [ObjectIdentifier: (loop: Loop, driver: NIOLoopDriver)]

    /// The engine on the event loops that the process shares.
    static let shared = NIOEngine(group: .singletonMultiThreadedEventLoopGroup)

    /// Makes an engine with event loops of its own.
    convenience init(loopCount: Int) {
        self.init(group: MultiThreadedEventLoopGroup(numberOfThreads: loopCount), ownsGroup: true)
    }

    init(group: any EventLoopGroup, ownsGroup: Bool = false) {
        self.group = group
        self.ownsGroup = ownsGroup
        entries = Dictionary(
            uniqueKeysWithValues: group.makeIterator().map { eventLoop in
                let driver = NIOLoopDriver(eventLoop)
                let loop = Loop(driver: driver)
                eventLoop.execute { loop.bindToCurrentThread() }
                return (ObjectIdentifier(eventLoop), (loop, driver))
            })
    }

    func shutDown() async {
        guard ownsGroup else { return }
        // Only fails if the group has been shut down before.
        try? await group.shutdownGracefully()
        for entry in entries.values {
            entry.loop.unbind()
            entry.driver.end()
        }
    }

    var loops: [Loop] { entries.values.map(\.loop) }

    func nextLoop() -> Loop { loop(of: group.next()) }

    /// The loop that one of the group's event loops drives.
    func loop(of eventLoop: any EventLoop) -> Loop {
        entry(of: eventLoop).loop
    }

    /// The buffers of one of the group's event loops. Confined to it.
    func buffers(of eventLoop: any EventLoop) -> NIOBufferPool {
        entry(of: eventLoop).driver.buffers
    }

    private func entry(of eventLoop: any EventLoop) -> (loop: Loop, driver: NIOLoopDriver) {
        guard let entry = entries[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("the event loop does not belong to the engine's group")
        }
        return entry
    }

    // MARK: Servers

    private struct Socket: ListeningSocket {
        let channel: any Channel
        let file: UnixSocketFile?

        func close() async {
            // Only fails if the channel is closed.
            try? await channel.close().get()
            file?.remove()
        }
    }

    func listen(
        at address: ServerAddress, _ acceptor: any ConnectionAcceptor, _ tls: TLSContext?
    ) async throws -> (ServerAddress, any ListeningSocket) {
        let bootstrap = serverBootstrap(acceptor, tls)
        switch address.storage {
        case .hostname(let host, let port):
            let channel = try await bootstrap.bind(host: host, port: port).get()
            let found = ServerAddress.hostname(host, port: channel.localAddress?.port ?? port)
            return (found, Socket(channel: channel, file: nil))
        case .unixDomainSocket(let path):
            // Bound here, because SwiftNIO would remove any socket at the path, before it binds and after it closes.
            let descriptor = try UnixSocketFile.listen(at: path)
            let file = UnixSocketFile(at: path)
            do {
                return (address, Socket(channel: try await bootstrap.withBoundSocket(descriptor).get(), file: file))
            } catch {
                file?.remove()
                throw error
            }
        }
    }

    private func serverBootstrap(_ acceptor: any ConnectionAcceptor, _ tls: TLSContext?) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { AcceptPause.add(to: $0) { acceptor.acceptFailed($0) } }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(acceptor.outboundMarks))
            .childChannelOption(.recvAllocator, value: NIOTransport.receiveAllocator)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try tls?.addServerHandler(to: channel)
                    let handler = NIOTransport(self, channel.eventLoop, ownsReadBuffers: tls == nil) {
                        transport, channel in
                        acceptor.makeConnection(
                            on: self.loop(of: channel.eventLoop), over: transport,
                            remoteAddress: channel.remoteAddress?.name ?? "unknown")
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
    }

    // MARK: Clients

    func connect(to target: ConnectTarget, on loop: Loop, for requester: any ConnectionRequester) {
        guard let driver = loop.driver as? NIOLoopDriver else {
            preconditionFailure("the loop does not belong to the engine")
        }
        let bootstrap = ClientBootstrap(group: driver.eventLoop)
            .connectTimeout(TimeAmount(target.timeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(target.outboundMarks))
            .channelOption(.recvAllocator, value: NIOTransport.receiveAllocator)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try target.tls?.addClientHandler(for: target.serverName, to: channel)
                    let isPlain = target.tls == nil
                    let handler = NIOTransport(self, channel.eventLoop, ownsReadBuffers: isPlain) {
                        transport, channel in
                        requester.makeConnection(
                            on: loop, over: transport, remoteAddress: channel.remoteAddress?.name ?? "unknown")
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let channel =
            switch target.address.storage {
            case .hostname(let host, let port):
                bootstrap.observed(by: requester, on: driver.eventLoop).connect(host: host, port: port)
            case .unixDomainSocket(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        channel.whenFailure { requester.connectFailed($0) }
    }
}
