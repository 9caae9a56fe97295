package import Lifeline
package import LifelineCore
package import NIOCore

/// A fault that a relay injects into a connection.
package enum RelayFault: String, Hashable, Sendable, CaseIterable {
    /// Discards bytes and ends, and leaves both connections open, as if a cable had been pulled.
    case drop
    /// Sends FIN to both sides.
    case cut
    /// Sends RST to both sides.
    case reset

    /// When a fault begins.
    package enum Threshold: Hashable, Sendable {
        /// This time after both connections are established.
        case time(Duration)
        /// After this many bytes in both directions together; they are still relayed.
        case bytes(Int)
    }
}

/// An event of a relayed connection.
package struct RelayEvent: Sendable {
    /// What happened.
    package enum Kind: Sendable {
        /// A client has connected, from this address.
        case accepted(peer: String)
        /// The TLS handshake with a side is complete.
        case secured(WebSocketRole, LifecycleEvent.TLSSummary)
        /// The connection to the server is established, at this address.
        case connected(peer: String)
        /// No connection to the server could be established, for this reason.
        case notConnected(reason: String)
        /// A side has sent bytes, which are passed on, or which the relay answers in the server's place.
        case bytes(ByteBuffer, from: WebSocketRole)
        /// The relay has sent the client this answer in the server's place.
        case answered(ByteBuffer)
        /// A side sends no more.
        case finished(WebSocketRole)
        /// A side's connection has failed or been reset.
        case failed(WebSocketRole, reason: String)
        /// The relay has stopped reading from a side, because the other side does not take its bytes.
        case paused(WebSocketRole)
        /// The relay reads from the side again.
        case resumed(WebSocketRole)
        /// A fault begins.
        case fault(RelayFault, RelayFault.Threshold)
        /// Both connections have ended.
        case ended
    }

    /// The connection's number at the relay; the first is 1.
    package let connection: UInt64
    /// When it happened.
    package let instant: MonotonicInstant
    /// What happened.
    package let kind: Kind
}
