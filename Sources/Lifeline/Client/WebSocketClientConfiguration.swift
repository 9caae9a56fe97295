public import HTTPTypes
public import LifelineCore
public import Logging

/// The offers, limits and timeouts of a client.
public struct WebSocketClientConfiguration: Sendable {
    /// The protocol's limits and timeouts. Default: `EndpointConfiguration.client`.
    public var endpoint: EndpointConfiguration = .client
    /// How many bytes are buffered for the application and for the peer.
    public var buffers = BufferLimits()
    /// The address to which the client connects instead of the host and port of the URL, such as a Unix domain socket
    /// or one server behind a load balancer. Default: `nil`, which connects to the host and port of the URL.
    ///
    /// The URL still determines the request (its `Host` field and path) and the name that the server's certificate must
    /// contain.
    ///
    /// ```swift
    /// var configuration = WebSocketClientConfiguration()
    /// configuration.connectTo = .unixDomainSocket(path: "/run/chat.sock")
    /// let socket = try await WebSocketClient.open(to: "ws://localhost/chat", configuration: configuration)
    /// ```
    public var connectTo: ServerAddress?
    /// How long the name lookup and the TCP connection may take together. Default: 10 s. TLS and the opening handshake
    /// have a timeout of their own (`EndpointConfiguration.handshakeTimeout`).
    public var connectTimeout: Duration = .seconds(10)
    /// The subprotocols to offer, in order of preference. Default: none.
    public var subprotocols: [String] = []
    /// Request fields in addition to those of the handshake, such as `Authorization`, `Cookie` or `Origin`. Default:
    /// none.
    public var headerFields: HTTPFields = [:]
    /// The certificates to trust for `wss`. Default: the system's roots.
    public var tls = ClientTLS()
    /// The engine that runs the event loops. Default: ``WebSocketEngine/automatic``. If an engine is chosen explicitly
    /// and is not available, or does not support the configuration, opening fails with
    /// ``WebSocketError/Code/invalidConfiguration``.
    public var engine = WebSocketEngine.automatic
    /// Whether the handler runs on the connection's event loop, as handlers of servers do. Default: `false`, which runs
    /// it where the caller runs.
    ///
    /// On the loop, the handler receives messages without a copy, sends without a hop between threads, and handles a
    /// message before the bytes that arrived after it are parsed. It must not block. If the caller is isolated to an
    /// actor, the handler stays on that actor.
    public var handlesOnLoop = false
    /// The observers that receive the connection's lifecycle events. Default: none.
    public var observers: [any LifecycleObserver] = []
    /// The logger, which logs connections at `info` and failed attempts at `notice`. Default: one that discards
    /// everything.
    public var logger = Logger(label: "lifeline.client") { _ in SwiftLogNoOpLogHandler() }

    /// Creates a configuration with the default values.
    public init() {}
}
