/// When an endpoint sends Pings, and how long its peer may stay silent after one
/// ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)).
public struct HeartbeatConfiguration: Hashable, Sendable {
    /// The time between two Pings. `nil` sends none, so that a dead peer is not detected. Default: 25 s, below the 30 s after which many
    /// proxies close an idle connection.
    ///
    /// The first Ping is sent at a random instant in the second half of the interval, so that connections opened together do not send
    /// their Pings together.
    public var interval: Duration?

    /// How long the peer may stay silent after a Ping, whether the heartbeat or the application sent it. Default: 10 s.
    ///
    /// *Any* byte from the peer ends the silence, not only the Pong: a peer in the middle of a large message may be unable to answer.
    /// While this side has stopped reading (back-pressure), the timeout does not elapse.
    public var timeout: Duration

    /// Creates a heartbeat with the given interval and timeout.
    ///
    /// - Precondition: Both are positive.
    public init(interval: Duration? = .seconds(25), timeout: Duration = .seconds(10)) {
        precondition(interval.map { $0 > .zero } ?? true, "the ping interval must be positive; nil turns it off")
        precondition(timeout > .zero, "the pong timeout must be positive")
        self.interval = interval
        self.timeout = timeout
    }

    /// Sends no Pings of its own. A dead peer is not detected until the application sends something.
    public static var disabled: HeartbeatConfiguration { HeartbeatConfiguration(interval: nil) }
}
