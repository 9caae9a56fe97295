/// The closing handshake ([RFC 6455 §7](https://www.rfc-editor.org/rfc/rfc6455#section-7)).
extension Endpoint {
    /// Begins the closing handshake (§7.1.2): adds a Close frame to the output, and waits for the peer's.
    ///
    /// The peer may send until it has received the Close frame, so messages are received until its own comes (§5.5.1). If the closing
    /// handshake has begun already, nothing happens. A connection that is not open yet is aborted.
    ///
    /// - Parameters:
    ///   - frame: The Close frame to send.
    ///   - now: The current instant; ``EndpointConfiguration/closeTimeout`` begins at it.
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
            // A reply repeats the code. A frame with another code, or before ours was written, has crossed ours.
            initiator = coldState?.control.close != nil || received.code != closeSent.code ? .both : .local
        } else {
            initiator = .peer
            // The reply echoes the peer's code (§5.5.1).
            sendClose(received.code.map { CloseFrame($0, "") } ?? .empty)
        }
        outcome = CloseOutcome(initiator: initiator, sent: closeSent, received: received, failure: nil)
        // A message that has begun will not be completed.
        assembly.removeAll()
        beginEnding(at: now)
        // The server ends TCP first, so that TIME_WAIT is held by it and not by the client (§7.1.1).
        if role == .server { transportRequest = .shutdownOutput }
    }

    /// Fails the connection (§7.1.7): gives the reason in a Close frame, and discards further input.
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

    /// Ends the connection because the peer was silent after a Ping. Sends Close 1011, so that a peer that is still reachable learns the
    /// reason.
    mutating func endAfterHeartbeatTimeout(at now: MonotonicInstant) {
        let time = configuration.heartbeat.timeout
        sendClose(CloseFrame(.internalError, "no answer to a Ping within \(time)"))
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
        makeColdState().closeSent = frame
        makeColdState().control.close = frame
        // A waiting Ping is dropped. A waiting Pong is still sent, before the Close frame.
        makeColdState().control.ping = nil
    }
}
