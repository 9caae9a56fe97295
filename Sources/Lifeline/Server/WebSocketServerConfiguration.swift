public import LifelineCore
public import Logging
public import Metrics

/// The limits, timeouts and policies of a server.
public struct WebSocketServerConfiguration: Sendable {
    /// The protocol's limits and timeouts. Default: `EndpointConfiguration.server`.
    public var endpoint: EndpointConfiguration = .server
    /// How many bytes are buffered for the application and for the peer.
    public var buffers = BufferLimits()
    /// Which web pages may connect. Default: those with the server's own origin. Requests without an `Origin` field,
    /// such as those of clients other than browsers, are always allowed.
    public var originPolicy = OriginPolicy.sameOrigin
    /// The certificate and key for `wss`. Default: `nil`, which serves `ws`.
    public var tls: ServerTLS?
    /// The maximum number of concurrent connections. Default: 100 000. The server answers further requests with 503.
    public var maximumConnections = 100_000
    /// The engine that runs the event loops. Default: ``WebSocketEngine/automatic``. If an engine is chosen explicitly
    /// and is not available, or does not support the configuration, the server fails to start with
    /// ``WebSocketError/Code/invalidConfiguration``.
    public var engine = WebSocketEngine.automatic
    /// The number of event loops, each with a thread of its own. Default: `nil`, which uses the loops that the process
    /// shares, one for each core.
    public var loopCount: Int?
    /// How long a graceful shutdown waits for connections to close and for handlers to return. Default: 15 s. After
    /// that, the server aborts the connections and cancels the handlers that are left.
    public var shutdownTimeout: Duration = .seconds(15)
    /// How long a handler may run after its connection has ended. Default: 30 s. After that its task is cancelled, so
    /// that a handler that waits for something other than its connection does not run forever.
    public var handlerGracePeriod: Duration = .seconds(30)
    /// The observers that receive the connections' lifecycle events. Default: none.
    public var observers: [any LifecycleObserver] = []
    /// The logger, which logs connections at `info` and refusals at `notice`. Default: the process's logging system,
    /// with the label `lifeline.server`.
    public var logger = Logger(label: "lifeline.server")
    /// The factory of the server's metrics. Default: `nil`, which uses the factory that swift-metrics has when the server
    /// starts, usually that of `MetricsSystem.bootstrap`. With the factory that discards everything
    /// (`NOOPMetricsHandler`), nothing is measured.
    ///
    /// Gauges are set to the values of one server. Servers that run at the same time need factories of their own.
    public var metrics: (any MetricsFactory)?

    /// Creates a configuration with the default values.
    public init() {}
}
