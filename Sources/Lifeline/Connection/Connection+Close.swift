import LifelineCore
import NIOCore

/// Pings of the application's, and the end.
extension Connection {
    // MARK: Pings

    /// Sends a Ping and resumes with the round trip's time; on the loop.
    func ping(_ wait: Wait, _ continuation: PingContinuation) {
        guard !wait.isCancelled else { return continuation.resume(returning: .failure(.cancelled)) }
        loop.beginTurn()
        now = loop.driver.now()
        switch endpoint.pointee.ping(at: now) {
        case .success(let number):
            noteOutputProgress()
            pings.append(
                PingWaiter(
                    wait: wait, number: number, sentAt: now,
                    deadline: now.advanced(by: endpoint.pointee.pongTimeout * 2), continuation: continuation))
        case .failure(let error):
            continuation.resume(returning: .failure(WebSocketError(error, outcome: outcome)))
        }
        settle()
        loop.endTurn()
    }

    /// Resumes those whose Ping has been answered. A Pong answers the Pings before its own too (§5.5.3).
    func answerPings(upTo number: UInt64, roundTrip: Duration) {
        observe(.roundTrip(roundTrip))
        guard !pings.isEmpty else { return }
        let answered = pings.filter { $0.number <= number }
        pings.removeAll { $0.number <= number }
        for waiter in answered {
            waiter.continuation.resume(returning: .success(now.duration(since: waiter.sentAt)))
        }
    }

    /// Gives those up whose Pong has not come in time on a connection that lives all the same: its peer sends other things,
    /// or this side does not read.
    func expirePings() {
        guard let first = pings.first, first.deadline <= now else { return }
        let expired = pings.filter { $0.deadline <= now }
        pings.removeAll { $0.deadline <= now }
        let error = WebSocketError(
            .timedOut, "no Pong came within \(endpoint.pointee.pongTimeout * 2) (twice HeartbeatConfiguration.timeout)")
        for waiter in expired { waiter.continuation.resume(returning: .failure(error)) }
    }

    /// Wakes the task with this wait, if it still waits.
    func cancelPing(_ wait: Wait) {
        guard let index = pings.firstIndex(where: { $0.wait == wait }) else { return }
        pings.remove(at: index).continuation.resume(returning: .failure(.cancelled))
    }

    // MARK: The end

    /// Begins the closing handshake, if it has not begun; on the loop.
    func close(_ frame: CloseFrame) {
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.close(frame, at: now)
        noteClosing()
        // What was not received will not be: the application has closed.
        if endpoint.pointee.phase == .closing { setReading() }
        sendWaiting()
        settle()
        loop.endTurn()
    }

    /// Ends the connection without a closing handshake; on the loop.
    func abort(_ reason: String) {
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.abort(reason)
        settle()
        loop.endTurn()
    }
}
