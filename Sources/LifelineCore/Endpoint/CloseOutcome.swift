/// How a connection ended, as this side sees it ([RFC 6455 §7.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.1)).
public struct CloseOutcome: Hashable, Sendable {
    /// Who initiated the close.
    public enum Initiator: Hashable, Sendable {
        /// This endpoint sent the first Close frame, or aborted the connection.
        case local
        /// The peer sent the first Close frame, or ended the connection without one.
        case peer
        /// Both sides sent a Close frame before they received the other's.
        case both
    }

    /// Who initiated the close.
    public let initiator: Initiator
    /// The Close frame that this side sent; `nil` if it sent none.
    public let sent: CloseFrame?
    /// The Close frame that the peer sent; `nil` if none arrived.
    public let received: CloseFrame?
    /// Why the closing handshake was not completed; `nil` if it was.
    public let failure: ConnectionFailure?

    /// Creates an outcome, for example to test code that handles the end of a connection.
    ///
    /// - Parameters:
    ///   - initiator: Who began the end.
    ///   - sent: The Close frame that this side sent. Default: none.
    ///   - received: The Close frame that the peer sent. Default: none.
    ///   - failure: Why the closing handshake was not completed. Default: `nil`, which makes the outcome clean; a
    ///     connection's clean outcome has both Close frames.
    public init(
        initiator: Initiator, sent: CloseFrame? = nil, received: CloseFrame? = nil, failure: ConnectionFailure? = nil
    ) {
        self.initiator = initiator
        self.sent = sent
        self.received = received
        self.failure = failure
    }

    /// Whether the closing handshake was completed: both sides sent a Close frame (§7.1.4).
    public var isClean: Bool { failure == nil }

    /// The close code as §7.1.5 defines it: the peer's. It is 1005 if the peer's Close frame had no code, and 1006 if none arrived.
    ///
    /// After this side has failed the connection, the peer's code says little about the reason; see ``effectiveCode``.
    public var code: CloseCode {
        guard let received else { return .abnormalClosure }
        return received.code ?? .noStatusReceived
    }

    /// The code that describes the end: that of the initiator's Close frame.
    ///
    /// - If this side initiated the close, or both did, it is the code that this side sent: 1009 after a message that
    ///   was too big, whatever the peer answered.
    /// - If the peer initiated it, it is the peer's code.
    /// - If the initiator sent no Close frame, it is the other side's code.
    /// - It is 1005 if that Close frame had no code, and 1006 only if neither side sent one.
    public var effectiveCode: CloseCode {
        guard let frame = initiator == .peer ? received ?? sent : sent ?? received else { return .abnormalClosure }
        return frame.code ?? .noStatusReceived
    }

    /// The peer's reason (§7.1.6); empty if it gave none.
    public var reason: String { received?.reason ?? "" }
}

extension CloseOutcome: CustomStringConvertible {
    /// One line: clean or not, who initiated the close, both codes and reasons, and the failure if there is one.
    public var description: String {
        var parts = [isClean ? "clean" : "abnormal"]
        switch initiator {
        case .local: parts.append("closed by this side")
        case .peer: parts.append("closed by the peer")
        case .both: parts.append("closed by both simultaneously")
        }
        if let sent { parts.append("sent \(sent)") }
        if let received { parts.append("received \(received)") }
        if let failure { parts.append("\(failure)") }
        return parts.joined(separator: ", ")
    }
}

/// Why a connection ended without a completed closing handshake.
@nonexhaustive(warn)
public enum ConnectionFailure: Error, Hashable, Sendable {
    /// The peer broke the protocol or a limit.
    case protocolViolation(ProtocolViolation)
    /// The peer was silent for ``HeartbeatConfiguration/timeout`` after a Ping.
    case heartbeatTimedOut(after: Duration)
    /// The peer did not answer the Close frame within ``EndpointConfiguration/closeTimeout``.
    case closeTimedOut(after: Duration)
    /// The opening handshake was not completed within ``EndpointConfiguration/handshakeTimeout``.
    case handshakeTimedOut(after: Duration)
    /// The peer ended its side of TCP without a Close frame; `insideFrame` says whether in the middle of a frame or message.
    case endOfStream(insideFrame: Bool)
    /// The transport failed: the peer or the network reset the connection, for instance.
    case transport(String)
    /// This endpoint aborted the connection.
    case aborted(String)
}

extension ConnectionFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .protocolViolation(let violation): "\(violation)"
        case .heartbeatTimedOut(let time): "heartbeat timeout: the peer sent nothing for \(time) after a Ping"
        case .closeTimedOut(let time): "the peer did not answer the Close frame within \(time)"
        case .handshakeTimedOut(let time): "the opening handshake was not completed within \(time)"
        case .endOfStream(insideFrame: false): "the peer ended its side of TCP without a Close frame"
        case .endOfStream(insideFrame: true): "the peer ended its side of TCP in the middle of a frame"
        case .transport(let reason): "the connection was lost: \(reason)"
        case .aborted(let reason): "aborted: \(reason)"
        }
    }
}
