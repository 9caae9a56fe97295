package import Lifeline
package import LifelineCore
package import NIOCore

/// What a relay does to a connection on purpose.
package enum RelayFault: String, Hashable, Sendable, CaseIterable {
    /// Bytes, and ends, are swallowed; both connections stay open, as if a cable had been pulled.
    case drop
    /// Both sides are sent FIN.
    case cut
    /// Both sides are sent RST.
    case reset

    /// From when on it is done.
    package enum Threshold: Hashable, Sendable {
        /// So long after both connections stand.
        case time(Duration)
        /// After so many bytes, both directions together; those are still passed on.
        case bytes(Int)
    }
}

/// A step in a relayed connection's life.
package struct RelayEvent: Sendable {
    /// What happened.
    package enum Kind: Sendable {
        /// A client has connected, from this address.
        case accepted(peer: String)
        /// TLS stands with a side.
        case secured(WebSocketRole, LifecycleEvent.TLSSummary)
        /// The connection to the server stands, at this address.
        case connected(peer: String)
        /// There is none, and why.
        case notConnected(reason: String)
        /// A side has sent bytes, which are passed on.
        case bytes(ByteBuffer, from: WebSocketRole)
        /// A side sends no more.
        case finished(WebSocketRole)
        /// A side's connection has failed, or been reset.
        case failed(WebSocketRole, reason: String)
        /// A side is read no more for now, since the other does not take.
        case paused(WebSocketRole)
        /// It is read again.
        case resumed(WebSocketRole)
        /// Something was done to the connection on purpose.
        case fault(RelayFault, RelayFault.Threshold)
        /// Both connections are over.
        case ended
    }

    /// The connection's number at the relay, from 1 on.
    package let connection: UInt64
    /// When it happened.
    package let instant: MonotonicInstant
    /// What happened.
    package let kind: Kind
}
