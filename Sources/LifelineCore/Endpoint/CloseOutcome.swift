/// How a connection ended, on this side ([RFC 6455 §7.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1)).
public struct CloseOutcome: Hashable, Sendable {
    /// Who began the end.
    public enum Initiator: Hashable, Sendable {
        /// This side sent the first Close frame, or gave the connection up.
        case local
        /// The peer sent the first Close frame, or ended the connection.
        case peer
        /// Both Close frames crossed on the wire.
        case both
    }

    /// Who began the end.
    public let initiator: Initiator
    /// The Close frame that this side sent, or `nil` where it sent none.
    public let sent: CloseFrame?
    /// The Close frame that the peer sent, or `nil` where none arrived.
    public let received: CloseFrame?
    /// Why the closing handshake was not completed, or `nil` where it was.
    public let failure: ConnectionFailure?

    package init(initiator: Initiator, sent: CloseFrame?, received: CloseFrame?, failure: ConnectionFailure?) {
        self.initiator = initiator
        self.sent = sent
        self.received = received
        self.failure = failure
    }

    /// Whether the closing handshake was completed: both sides sent a Close frame (§7.1.4).
    public var isClean: Bool { failure == nil }

    /// The code of the connection's end as §7.1.5 defines it: the peer's; 1005 where its Close frame had none, and 1006
    /// where no Close frame arrived.
    public var code: CloseCode {
        guard let received else { return .abnormalClosure }
        return received.code ?? .noStatusReceived
    }

    /// The peer's reason (§7.1.6); empty where it gave none.
    public var reason: String { received?.reason ?? "" }
}

extension CloseOutcome: CustomStringConvertible {
    /// One line: clean or not, who began, both codes and reasons, and why where the end was not clean.
    public var description: String {
        var parts = [isClean ? "clean" : "abnormal"]
        switch initiator {
        case .local: parts.append("closed by this side")
        case .peer: parts.append("closed by the peer")
        case .both: parts.append("closed by both at once")
        }
        if let sent { parts.append("sent \(sent)") }
        if let received { parts.append("received \(received)") }
        if let failure { parts.append("\(failure)") }
        return parts.joined(separator: ", ")
    }
}

/// Why a connection ended without a completed closing handshake.
public enum ConnectionFailure: Error, Hashable, Sendable {
    /// The peer broke the protocol or a limit.
    case protocolViolation(ProtocolViolation)
    /// Nothing was heard from the peer for the pong deadline after a Ping (``HeartbeatConfiguration/timeout``).
    case heartbeatTimedOut(after: Duration)
    /// The peer did not answer the Close frame within the close deadline.
    case closeTimedOut(after: Duration)
    /// The opening handshake was not finished within its deadline.
    case handshakeTimedOut(after: Duration)
    /// The peer ended its side of TCP without a Close frame, inside a frame where `insideFrame` is set.
    case endOfStream(insideFrame: Bool)
    /// The transport failed: the peer reset the connection, or the network did.
    case transport(String)
    /// This side gave the connection up.
    case aborted(String)
}

extension ConnectionFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .protocolViolation(let violation): "\(violation)"
        case .heartbeatTimedOut(let time): "heartbeat: nothing heard from the peer for \(time) after a Ping"
        case .closeTimedOut(let time): "the peer did not answer the Close frame within \(time)"
        case .handshakeTimedOut(let time): "the opening handshake was not finished within \(time)"
        case .endOfStream(insideFrame: false): "the peer ended TCP without a Close frame"
        case .endOfStream(insideFrame: true): "the peer ended TCP in the middle of a frame"
        case .transport(let reason): "the connection was lost: \(reason)"
        case .aborted(let reason): "given up: \(reason)"
        }
    }
}
