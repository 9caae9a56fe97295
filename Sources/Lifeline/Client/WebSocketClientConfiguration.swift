public import HTTPTypes
public import LifelineCore
public import Logging

/// What a client asks for, and the limits it keeps.
public struct WebSocketClientConfiguration: Sendable {
    /// Limits and times of the protocol. Default: `EndpointConfiguration.client`.
    public var endpoint: EndpointConfiguration = .client
    /// How much is held for the application and for the peer.
    public var buffers = BufferLimits()
    /// How long the name's lookup and the TCP connection may take. Default: 10 s. The opening handshake, with TLS before
    /// it, has a deadline of its own (`EndpointConfiguration.handshakeTimeout`).
    public var connectTimeout: Duration = .seconds(10)
    /// The subprotocols to offer, in the order of preference.
    public var subprotocols: [String] = []
    /// Fields of the request besides the handshake's own, such as `Authorization`, `Cookie` or `Origin`.
    public var headerFields: HTTPFields = [:]
    /// Whom to trust over TLS.
    public var tls = ClientTLS()
    /// What moves the bytes. Default: ``WebSocketEngine/automatic``. Asked for by name, an engine that is not to be had, or
    /// cannot do what is asked, is an error (``WebSocketError/Code/invalidConfiguration``).
    public var engine = WebSocketEngine.automatic
    /// Whether the handler runs on the connection's event loop, as handlers of servers do. Default: `false`; it runs where
    /// the caller runs.
    ///
    /// There, messages are received where they lie and sent without a hop between threads, and a message is handled before
    /// what arrived behind it is looked at. The handler must not block then. A caller on an actor stays there all the same.
    public var handlesOnLoop = false
    /// Who is told each step of the connection's life.
    public var observers: [any LifecycleObserver] = []
    /// Where to log: connections at `info`, attempts that fail at `notice`. Default: nowhere.
    public var logger = Logger(label: "lifeline.client") { _ in SwiftLogNoOpLogHandler() }

    /// The defaults.
    public init() {}
}
