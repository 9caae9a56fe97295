public import LifelineCore
public import Logging

/// What a server offers, and the limits it keeps.
public struct WebSocketServerConfiguration: Sendable {
    /// Limits and times of the protocol. Default: `EndpointConfiguration.server`.
    public var endpoint: EndpointConfiguration = .server
    /// How much is held for the application and for the peer.
    public var buffers = BufferLimits()
    /// Which web pages may connect. Default: those that this server itself delivered.
    public var originPolicy = OriginPolicy.sameOrigin
    /// The certificate and key for `wss`; `nil`, the default, serves `ws`.
    public var tls: ServerTLS?
    /// The most connections at a time. Default: 100 000. Further ones are answered with 503.
    public var maximumConnections = 100_000
    /// What moves the bytes. Default: ``WebSocketEngine/automatic``. Asked for by name, an engine that is not to be had, or
    /// cannot do what is asked, is an error (``WebSocketError/Code/invalidConfiguration``).
    public var engine = WebSocketEngine.automatic
    /// The number of event loops, each with a thread of its own. `nil`, the default, uses those that the process shares,
    /// one for each core.
    public var loopCount: Int?
    /// How long a graceful shutdown waits for connections to close and for handlers to return. Default: 15 s. Whatever is
    /// left then is cancelled and ended.
    public var shutdownTimeout: Duration = .seconds(15)
    /// How long a handler may go on after its connection has ended, before its task is cancelled. Default: 30 s.
    ///
    /// A handler that waits for something else than its connection would otherwise stay for ever.
    public var handlerGracePeriod: Duration = .seconds(30)
    /// Who is told each step of the connections' lives.
    public var observers: [any LifecycleObserver] = []
    /// Where to log: connections at `info`, refusals at `notice`. Default: the process's logging system.
    public var logger = Logger(label: "lifeline.server")

    /// The defaults.
    public init() {}
}
