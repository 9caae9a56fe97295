/// The closing handshake ([RFC 6455 §7](https://www.rfc-editor.org/rfc/rfc6455#section-7)).
extension Endpoint {
    /// Begins the closing handshake (§7.1.2): sends a Close frame and waits for the peer's.
    ///
    /// Messages that arrive in between are received like those before, one that has begun among them (§5.5.1): the peer may
    /// send until it has the Close frame. Where the handshake has begun already, by whichever side, nothing happens; a
    /// connection that is not open yet is given up.
    public mutating func close(_ frame: CloseFrame, at now: MonotonicInstant) {
        switch phase {
        case .opening:
            abort("closed before the opening handshake was finished")
        case .open:
            sendClose(frame)
            phase = .closing
            endDeadline = now.advanced(by: configuration.closeTimeout)
        case .closing, .ending, .closed:
            break
        }
    }

    /// Completes the closing handshake with the peer's Close frame (§5.5.1, §7.1.4).
    mutating func receiveClose(_ received: CloseFrame, at now: MonotonicInstant) {
        let initiator: CloseOutcome.Initiator
        if let closeSent {
            // An answer repeats the code. Another code, or one that came before ours was written, crossed it.
            initiator = coldState?.control.close != nil || received.code != closeSent.code ? .both : .local
        } else {
            initiator = .peer
            // The peer's code is echoed.
            sendClose(received.code.map { CloseFrame($0, "") } ?? .empty)
        }
        outcome = CloseOutcome(initiator: initiator, sent: closeSent, received: received, failure: nil)
        // A message that had begun will not end.
        assembly.removeAll()
        beginEnding(at: now)
        // The server ends TCP first, so that it, not the client, holds the TIME_WAIT state (§7.1.1).
        if role == .server { transportRequest = .shutdownOutput }
    }

    /// Fails the connection (§7.1.7): says why in a Close frame, and reads no further.
    mutating func fail(_ violation: ProtocolViolation, at now: MonotonicInstant) -> Endpoint.Event {
        let frame = CloseFrame(violation.closeCode, violation.description)
        if closeSent == nil { sendClose(frame) }
        outcome = CloseOutcome(
            initiator: .local, sent: closeSent, received: nil, failure: .protocolViolation(violation))
        assembly.removeAll()
        beginEnding(at: now)
        transportRequest = .shutdownOutput
        return .closed
    }

    /// Ends the connection because the peer did not answer a Ping. Sends Close 1011, so that a peer that is still reachable learns
    /// the reason.
    mutating func giveUpSilentPeer(at now: MonotonicInstant) {
        let time = configuration.heartbeat.timeout
        sendClose(CloseFrame(.internalError, "a Ping was not answered for \(time)"))
        abandon(.heartbeatTimedOut(after: time), by: .local)
        beginEnding(at: now)
        transportRequest = .shutdownOutput
    }

    /// Ends the WebSocket, and gives TCP ``EndpointConfiguration/closeTimeout`` to end.
    private mutating func beginEnding(at now: MonotonicInstant) {
        phase = .ending
        endDeadline = now.advanced(by: configuration.closeTimeout)
    }

    private mutating func sendClose(_ frame: CloseFrame) {
        extra.closeSent = frame
        extra.control.close = frame
        // A Ping need not be sent any more; a Pong that waits still may be, before the Close frame.
        extra.control.ping = nil
    }
}
