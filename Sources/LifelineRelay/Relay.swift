package import Lifeline
import LifelineCore
import LifelineLocks
import NIOCore
import NIOPosix
import Synchronization

/// Passes bytes on between clients and one server. It changes none of them, except the value of `Host` if that is configured.
///
/// The relay does not read from a side while the other does not take its bytes. It relays FIN as FIN and RST as RST.
package final class Relay: Sendable {
    /// How a relay is set up.
    package struct Configuration: Sendable {
        /// Where to listen.
        package var address: ServerAddress
        /// TLS towards clients; `nil` for plain TCP.
        package var tls: ServerTLS?
        /// The server to connect to. Its path is ignored.
        package var target: WebSocketURL
        /// TLS towards the server, if the scheme of `target` is `wss`.
        package var targetTLS: ClientTLS
        /// How long connecting to the server, or a TLS handshake with a side, may take. Default: 10 s.
        package var connectTimeout: Duration = .seconds(10)
        /// Whether to replace `Host` in the clients' requests with the target's authority. Nothing else is ever changed.
        package var rewritesHost = false
        /// How long bytes are delayed in each direction. Default: not at all.
        package var latency: Duration = .zero
        /// The faults to inject into each connection. Default: nothing.
        package var faults: [(fault: RelayFault, after: RelayFault.Threshold)] = []
        /// Called at most once a minute with the reason why connections cannot be accepted.
        package var acceptFailed: @Sendable (String) -> Void = { _ in }

        /// Creates a configuration without faults.
        package init(
            address: ServerAddress, tls: ServerTLS? = nil, target: WebSocketURL, targetTLS: ClientTLS = ClientTLS()
        ) {
            self.address = address
            self.tls = tls
            self.target = target
            self.targetTLS = targetTLS
        }
    }

    /// The most bytes that wait in each direction of a connection with a latency.
    package static let maximumDelayedBytes = 1 << 20
    /// How long both sides have to end after the fault `cut`.
    static let closeTimeout = TimeAmount.seconds(5)
    /// How long both sides have to end after the relay shuts down.
    static let shutdownTimeout = TimeAmount.seconds(1)

    let configuration: Configuration
    let targetContext: TLSContext?
    private let observer: @Sendable (RelayEvent) -> Void
    private let connections = Lock<[UInt64: NIOLoopBound<RelayedConnection>]>([:])
    private let lastConnection = Atomic<UInt64>(0)
    private let listener = Lock<(any Channel)?>(nil)
    private let lastAcceptFailure = Lock<NIODeadline?>(nil)

    /// Creates a relay, which does not listen yet.
    ///
    /// - Parameter observer: Receives each event, on an event loop: it must not block.
    /// - Throws: ``WebSocketError`` if the trusted roots cannot be read.
    package init(
        _ configuration: Configuration, observer: @escaping @Sendable (RelayEvent) -> Void
    ) throws(WebSocketError) {
        self.configuration = configuration
        self.observer = observer
        targetContext = configuration.target.isSecure ? try TLSContext(configuration.targetTLS) : nil
    }

    /// The number of connections that have not ended.
    package var openConnections: Int { connections.withLock { $0.count } }

    /// Begins to listen.
    ///
    /// - Returns: The address, with the port that the system chose if the configuration has port 0.
    /// - Throws: ``WebSocketError`` if listening on the address fails, or the TLS configuration is invalid.
    package func listen() async throws(WebSocketError) -> ServerAddress {
        guard case .hostname(let host, let port) = configuration.address.storage else {
            throw WebSocketError(.invalidConfiguration, "a relay needs a host and a port to listen on")
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
            let message = "cannot listen on \(configuration.address): \(NetworkErrorText.describe(error))"
            throw WebSocketError(.listenFailed, message, underlyingError: error)
        }
    }

    /// Stops listening, ends each connection with FIN to both sides, and closes those that do not end in time.
    package func shutDown() async {
        if let channel = listener.withLock({ $0.take() }) { try? await channel.close().get() }
        for connection in connections.withLock({ Array($0.values) }) {
            connection.eventLoop.execute { connection.value.shutDown() }
        }
        // Each connection closes itself by its own deadline. This deadline is for loops that do not get to it.
        let deadline = ContinuousClock.now + .seconds(10)
        while openConnections > 0, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    private func acceptFailed(_ reason: String) {
        let now = NIODeadline.now()
        let isDue = lastAcceptFailure.withLock { last in
            if let last, now - last < .minutes(1) { return false }
            last = now
            return true
        }
        if isDue { configuration.acceptFailed(reason) }
    }

    // MARK: From connections

    /// Returns the number of the next connection; the first is 1.
    func nextConnectionID() -> UInt64 { lastConnection.wrappingAdd(1, ordering: .relaxed).newValue }

    func emit(_ connection: UInt64, _ kind: RelayEvent.Kind) {
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
