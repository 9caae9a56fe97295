import Lifeline
import LifelineLocks
import LifelineTrace

/// Something that one side saw on the wire.
struct Sighting: Sendable {
    let role: WebSocketRole
    let event: LifecycleEvent.Kind
    let time: ContinuousClock.Instant
}

/// What keeps the demo from being true.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String
}

/// Watches both sides of the demo's connection.
///
/// A step counts once the sender has seen it leave and the receiver has seen it arrive; only then is it drawn.
final class WireWatch: LifecycleObserver {
    private struct State {
        /// What has been seen and belongs to no step yet, in order.
        var sightings: [Sighting] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    func observe(_ event: LifecycleEvent) {
        note(Sighting(role: event.role, event: event.kind, time: .now))
    }

    /// Notes what one side has seen.
    func note(_ sighting: Sighting) {
        let waiter = state.withLock { state in
            state.sightings.append(sighting)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits until both sides have seen a step.
    ///
    /// - Throws: ``DemoFailure`` that says which side has not seen it in time, or that it arrived other than it was sent.
    func witness(
        _ step: DemoStep, begun: ContinuousClock.Instant? = nil, within limit: Duration = .seconds(5)
    ) async throws -> SeenStep {
        let deadline = ContinuousClock.now.advanced(by: limit)
        let alarm = Task {
            if (try? await Task.sleep(until: deadline)) != nil { wake() }
        }
        defer { alarm.cancel() }
        while true {
            if let (sent, received) = take(step) {
                let seen = SeenStep(step: step, sent: sent, received: received, begin: begun ?? sent.time)
                guard seen.isIntact else {
                    throw DemoFailure(description: "\(step.name) did not arrive as it was sent")
                }
                return seen
            }
            guard ContinuousClock.now < deadline else { throw missing(step, limit) }
            await waitForMore(than: step, until: deadline)
        }
    }

    /// How a side's connection ended.
    func outcome(of role: WebSocketRole) -> CloseOutcome? {
        state.withLock { state in
            for sighting in state.sightings where sighting.role == role {
                if case .ended(let outcome) = sighting.event { return outcome }
            }
            return nil
        }
    }

    // MARK: Waiting

    private func take(_ step: DemoStep) -> (Sighting, Sighting)? {
        state.withLock { state in
            guard let sent = WireWatch.sending(step, state.sightings),
                let received = WireWatch.receiving(step, state.sightings)
            else { return nil }
            let pair = (state.sightings[sent], state.sightings[received])
            for index in [sent, received].sorted(by: >) { state.sightings.remove(at: index) }
            return pair
        }
    }

    private static func sending(_ step: DemoStep, _ sightings: [Sighting]) -> Int? {
        sightings.firstIndex { $0.role == step.sender && step.isSending($0.event) }
    }

    private static func receiving(_ step: DemoStep, _ sightings: [Sighting]) -> Int? {
        sightings.firstIndex { $0.role == step.sender.peer && step.isReceiving($0.event) }
    }

    private func waitForMore(than step: DemoStep, until deadline: ContinuousClock.Instant) async {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLock { state in
                // What came in between counts.
                let isThere =
                    WireWatch.sending(step, state.sightings) != nil
                    && WireWatch.receiving(step, state.sightings) != nil
                guard !isThere, ContinuousClock.now < deadline else { return false }
                state.waiter = continuation
                return true
            }
            if !mustWait { continuation.resume() }
        }
    }

    private func wake() {
        state.withLock { $0.waiter.take() }?.resume()
    }

    private func missing(_ step: DemoStep, _ limit: Duration) -> DemoFailure {
        let (wasSent, wasReceived) = state.withLock { state in
            (WireWatch.sending(step, state.sightings) != nil, WireWatch.receiving(step, state.sightings) != nil)
        }
        let sender = step.sender == .client ? "client" : "server"
        let receiver = step.sender == .client ? "server" : "client"
        let what =
            switch (wasSent, wasReceived) {
            case (true, _): "left the \(sender), but the \(receiver) did not see it"
            case (false, true): "was seen by the \(receiver), but not by the \(sender), who should have sent it"
            case (false, false): "was seen by neither side"
            }
        let number = step.number.map { "step \($0), " } ?? ""
        return DemoFailure(description: "\(number)\(step.name), \(what) within \(limit.text())")
    }
}
