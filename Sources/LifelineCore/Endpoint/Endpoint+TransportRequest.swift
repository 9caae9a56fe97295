extension Endpoint {
    /// What an endpoint asks of the byte stream below it, once all output has been written.
    public enum TransportRequest: Hashable, Sendable {
        /// End the output side of TCP and read on until the peer has ended the other
        /// ([RFC 6455 §7.1.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)).
        ///
        /// Reading on matters: to close a socket with unread input makes TCP send a reset, and a reset can overtake the Close
        /// frame that says what was wrong.
        case shutdownOutput
        /// End the connection: both sides are done.
        case close
        /// End the connection at once, whatever is left to write: the peer is gone, or not worth waiting for.
        case abort
    }
}
