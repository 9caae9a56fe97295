extension Endpoint {
    /// What an endpoint asks its driver to do with the transport, once all output has been written.
    public enum TransportRequest: Hashable, Sendable {
        /// End this side's output (FIN), and read on until the peer has ended its own
        /// ([RFC 6455 §7.1.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)).
        ///
        /// Reading on matters: closing a socket with unread input makes TCP send a reset, and the reset can overtake the Close frame
        /// that gives the reason.
        case shutdownOutput
        /// Close the connection: both sides are done.
        case close
        /// Close the connection at once and discard what is left to write: the peer has gone, or has taken too long.
        case abort
    }
}
