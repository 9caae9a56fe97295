extension Endpoint {
    /// Why an endpoint cannot send.
    @nonexhaustive(warn)
    public enum SendError: Error, Hashable, Sendable {
        /// The connection is not open: its opening handshake is under way, or its closing handshake has begun.
        case notOpen
        /// A fragmented message is being sent, and must end before another begins
        /// ([RFC 6455 §5.4](https://www.rfc-editor.org/rfc/rfc6455#section-5.4)).
        case insideMessage
        /// No fragmented message is being sent, so there is none to continue.
        case noMessage
        /// 64 Pings wait for their Pongs; no more may.
        case tooManyPings
    }
}
