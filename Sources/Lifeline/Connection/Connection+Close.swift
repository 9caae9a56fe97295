import LifelineCore
import NIOCore

/// The application's Pings, and the end of the connection.
extension Connection {
    // MARK: Pings

    /// Sends a Ping, and resumes with the round-trip time once its Pong arrives; on the loop.
    func ping(_ wait: Wait, _ continuation: PingContinuation) {
        guard !wait.isCancelled else { return continuation.resume(returning: .failure(.cancelled)) }
        loop.beginTurn()
        now = loop.driver.now()
        do throws(Endpoint.SendError) {
            let number = try endpoint.pointee.ping(at: now)
            noteOutputProgress()
            pings.append(
                PingWaiter(
                    wait: wait, number: number, sentAt: now,
                    deadline: now.advanced(by: endpoint.pointee.pongTimeout * 2), continuation: continuation))
        } catch {
            continuation.resume(returning: .failure(WebSocketError(error, outcome: outcome)))
        }
        settle()
        loop.endTurn()
    }

    /// Resumes the tasks whose Ping has been answered. A Pong also answers all earlier Pings (RFC 6455 §5.5.3).
    func answerPings(upTo number: UInt64, roundTrip: Duration) {
        observe(.roundTrip(roundTrip))
        traffic?.pointee.owner.measured(roundTrip: roundTrip)
        guard !pings.isEmpty else { return }
        let answered = pings.filter { $0.number <= number }
        pings.removeAll { $0.number <= number }
        for waiter in answered {
            waiter.continuation.resume(returning: .success(waiter.sentAt.duration(to: now)))
        }
    }

    /// Fails the Pings whose Pong has not arrived in time although the connection is alive: its peer sends other
    /// frames, or this connection does not read.
    func expirePings() {
        guard let first = pings.first, first.deadline <= now else { return }
        let expired = pings.filter { $0.deadline <= now }
        pings.removeAll { $0.deadline <= now }
        let error = WebSocketError(
            .timedOut,
            "no Pong arrived within \(endpoint.pointee.pongTimeout * 2) (twice HeartbeatConfiguration.timeout)")
        for waiter in expired { waiter.continuation.resume(returning: .failure(error)) }
    }

    /// Resumes the task that registered `wait`, if it is still waiting.
    func cancelPing(_ wait: Wait) {
        guard let index = pings.firstIndex(where: { $0.wait == wait }) else { return }
        pings.remove(at: index).continuation.resume(returning: .failure(.cancelled))
    }

    // MARK: The end

    /// Begins the closing handshake unless it has begun; on the loop.
    func close(_ frame: CloseFrame) {
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.close(frame, at: now)
        noteClosing()
        // The application has closed, so reading no longer waits for it to receive.
        if endpoint.pointee.phase == .closing { setReading() }
        sendWaiting()
        settle()
        loop.endTurn()
    }

    /// Aborts the connection, without a closing handshake; on the loop.
    func abort(_ reason: String) {
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.abort(reason)
        settle()
        loop.endTurn()
    }
}
