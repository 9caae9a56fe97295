/// When an endpoint pings, and when it takes silence for death
/// ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)).
public struct HeartbeatConfiguration: Hashable, Sendable {
    /// The time between two Pings; `nil` sends none, and so detects no dead peer by itself. Default: 25 s, below the 30 s after which
    /// many proxies cut an idle connection.
    ///
    /// The first Ping is sent at a random point of the second half of the interval, so that connections opened together
    /// do not ping together.
    public var interval: Duration?

    /// How long after a Ping, the heartbeat's or the application's, the peer may stay silent. Default: 10 s.
    ///
    /// *Any* byte from the peer counts as life, not the Pong alone: a peer in the middle of a large message need not be
    /// able to answer. While this side has stopped reading (back-pressure), nothing can be heard, and the deadline waits.
    public var timeout: Duration

    /// A heartbeat with the given interval and timeout; both must be positive.
    public init(interval: Duration? = .seconds(25), timeout: Duration = .seconds(10)) {
        precondition(interval.map { $0 > .zero } ?? true, "the ping interval must be positive; nil turns it off")
        precondition(timeout > .zero, "the pong timeout must be positive")
        self.interval = interval
        self.timeout = timeout
    }

    /// No Pings of the library's own. A dead peer stays undetected until something is sent.
    public static var disabled: HeartbeatConfiguration { HeartbeatConfiguration(interval: nil) }
}
