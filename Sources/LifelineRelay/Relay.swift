package import Lifeline
import LifelineCore
import LifelineLocks
import NIOCore
import NIOPosix
import Synchronization

/// Passes the bytes of connections on, between whoever connects and one server, without changing any but those of `Host`, where
/// that is asked for.
///
/// Neither side is read while the other does not take. An end is passed on as an end, and a reset as a reset.
package final class Relay: Sendable {
    /// How a relay is set up.
    package struct Configuration: Sendable {
        /// Where to listen.
        package var address: ServerAddress
        /// TLS towards clients; `nil` for none.
        package var tls: ServerTLS?
        /// Where to connect; its path means nothing.
        package var target: WebSocketURL
        /// TLS towards the server, where `target` asks for it.
        package var targetTLS: ClientTLS
        /// How long a connection to the server, or a TLS handshake with a side, may take.
        package var connectTimeout: Duration = .seconds(10)
        /// Whether `Host` in the clients' requests is replaced by the target's authority; nothing else is ever changed.
        package var rewritesHost = false
        /// By how much each direction is delayed.
        package var latency: Duration = .zero
        /// What is done to each connection.
        package var faults: [(fault: RelayFault, after: RelayFault.Threshold)] = []
        /// Is told, at most once a minute, why connections cannot be accepted.
        package var acceptFailed: @Sendable (String) -> Void = { _ in }

        /// A relay without faults.
        package init(
            address: ServerAddress, tls: ServerTLS? = nil, target: WebSocketURL, targetTLS: ClientTLS = ClientTLS()
        ) {
            self.address = address
            self.tls = tls
            self.target = target
            self.targetTLS = targetTLS
        }
    }

    /// The most bytes that wait in each direction of a connection where there is a latency.
    package static let maximumDelayedBytes = 1 << 20
    /// How long both sides have to end after a cut.
    static let closeTimeout = TimeAmount.seconds(5)
    /// How long they have to end once the relay does.
    static let shutdownTimeout = TimeAmount.seconds(1)

    let configuration: Configuration
    let targetContext: TLSContext?
    private let observer: @Sendable (RelayEvent) -> Void
    private let connections = Lock<[UInt64: NIOLoopBound<RelayedConnection>]>([:])
    private let lastConnection = Atomic<UInt64>(0)
    private let listener = Lock<(any Channel)?>(nil)
    private let lastAcceptFailure = Lock<NIODeadline?>(nil)

    /// A relay.
    ///
    /// - Parameter observer: Is told of each step, on the event loops: it must not block.
    /// - Throws: ``WebSocketError`` where the trusted roots cannot be read.
    package init(
        _ configuration: Configuration, observer: @escaping @Sendable (RelayEvent) -> Void
    ) throws(WebSocketError) {
        self.configuration = configuration
        self.observer = observer
        targetContext = configuration.target.isSecure ? try TLSContext(configuration.targetTLS) : nil
    }

    /// The number of connections that are not over.
    package var openConnections: Int { connections.withLock { $0.count } }

    /// Begins to listen.
    ///
    /// - Returns: The address, with the port that was found.
    package func listen() async throws(WebSocketError) -> ServerAddress {
        guard case .hostname(let host, let port) = configuration.address.storage else {
            throw WebSocketError(.invalidConfiguration, "a relay listens at a host and a port")
        }
        let context = try configuration.tls.map(TLSContext.init)
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { AcceptPause.add(to: $0) { self.acceptFailed($0) } }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = RelayedConnection(self, channel.eventLoop)
                    let tls = try context?.addServerHandler(to: channel)
                    try channel.pipeline.syncOperations.addHandler(RelayEnd(.client, connection, tls))
                }
            }
        do {
            let channel = try await bootstrap.bind(host: host, port: port).get()
            listener.withLock { $0 = channel }
            return .hostname(host, port: channel.localAddress?.port ?? port)
        } catch {
            let message = "cannot listen at \(configuration.address): \(NetworkErrorText.describe(error))"
            throw WebSocketError(.listenFailed, message, underlyingError: error)
        }
    }

    /// Stops listening, ends each connection with FIN to both sides, and closes what has not ended in time.
    package func shutDown() async {
        if let channel = listener.withLock({ $0.take() }) { try? await channel.close().get() }
        for connection in connections.withLock({ Array($0.values) }) {
            connection.eventLoop.execute { connection.value.shutDown() }
        }
        // Each closes itself by its own deadline; this one is for loops that do not get to it.
        let deadline = ContinuousClock.now + .seconds(10)
        while openConnections > 0, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    private func acceptFailed(_ reason: String) {
        let now = NIODeadline.now()
        let isNews = lastAcceptFailure.withLock { last in
            if let last, now - last < .minutes(1) { return false }
            last = now
            return true
        }
        if isNews { configuration.acceptFailed(reason) }
    }

    // MARK: From connections

    /// A number for the next connection, from 1 on.
    func nextConnectionID() -> UInt64 { lastConnection.wrappingAdd(1, ordering: .relaxed).newValue }

    func tell(_ connection: UInt64, _ kind: RelayEvent.Kind) {
        let now = MonotonicInstant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds))
        observer(RelayEvent(connection: connection, instant: now, kind: kind))
    }

    func began(_ connection: RelayedConnection) {
        let bound = NIOLoopBound(connection, eventLoop: connection.eventLoop)
        connections.withLock { $0[connection.id] = bound }
    }

    func ended(_ connection: RelayedConnection) {
        connections.withLock { $0[connection.id] = nil }
    }
}
