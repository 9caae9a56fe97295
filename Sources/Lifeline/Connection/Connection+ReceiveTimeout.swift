import LifelineCore

/// Receives that end at a deadline.
extension Connection {
    /// A receive that ends at a deadline.
    struct ReceiveTimeout {
        var wait: Wait
        var deadline: MonotonicInstant
    }

    /// Ends a wait for a message at a deadline; on the loop.
    func endReceive(_ wait: Wait, at deadline: MonotonicInstant) {
        now = loop.driver.now()
        receiveTimeout = ReceiveTimeout(wait: wait, deadline: deadline)
        if deadline <= now { expireReceive() } else { setDeadline() }
    }

    /// Ends the wait whose deadline has come, if it still lasts. Nothing has been taken for it.
    func expireReceive() {
        guard let timeout = receiveTimeout, timeout.deadline <= now else { return }
        receiveTimeout = nil
        guard case .offLoop(timeout.wait, _, let continuation) = receiver else { return }
        receiver = .nobody
        continuation.resume(
            returning: .failure(WebSocketError(.timedOut, "no message came in time (receive(within:))")))
    }
}
