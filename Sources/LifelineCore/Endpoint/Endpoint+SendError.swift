extension Endpoint {
    /// Why an endpoint cannot send.
    public enum SendError: Error, Hashable, Sendable {
        /// The connection is not open: its opening handshake is under way, or its closing handshake has begun.
        case notOpen
        /// A fragmented message is being sent; another must wait for its end
        /// ([RFC 6455 §5.4](https://www.rfc-editor.org/rfc/rfc6455#section-5.4)).
        case insideMessage
        /// No fragmented message is being sent that could be continued.
        case noMessage
        /// Too many Pings wait for an answer.
        case tooManyPings
    }
}
