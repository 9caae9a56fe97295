import LifelineCore

/// Receives that end at a deadline.
extension Connection {
    /// The deadline of a receive.
    struct ReceiveTimeout {
        var wait: Wait
        var deadline: MonotonicInstant
    }

    /// Sets the deadline of a wait for a message; on the loop.
    func endReceive(_ wait: Wait, at deadline: MonotonicInstant) {
        now = loop.driver.now()
        receiveTimeout = ReceiveTimeout(wait: wait, deadline: deadline)
        if deadline <= now { expireReceive() } else { setDeadline() }
    }

    /// Fails the receive whose deadline has passed, if it still waits. No message is lost.
    func expireReceive() {
        guard let timeout = receiveTimeout, timeout.deadline <= now else { return }
        receiveTimeout = nil
        guard case .offLoop(timeout.wait, _, let continuation) = receiver else { return }
        receiver = .nobody
        continuation.resume(
            returning: .failure(WebSocketError(.timedOut, "no message arrived in time (receive(within:))")))
    }
}
