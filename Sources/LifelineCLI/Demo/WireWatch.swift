import Lifeline
import LifelineLocks
import LifelineTrace

/// An event that one side observed.
struct Observation: Sendable {
    let role: WebSocketRole
    let event: LifecycleEvent.Kind
    let time: ContinuousClock.Instant
}

/// An error: which step of the demo failed, and how.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String
}

/// Observes both sides of the demo's connection.
///
/// A step is complete once the sender has observed its sending, and the receiver its arrival. Only then it is drawn.
final class WireWatch: LifecycleObserver {
    private struct State {
        /// The observations that belong to no step yet, in order.
        var observations: [Observation] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    func observe(_ event: LifecycleEvent) {
        note(Observation(role: event.role, event: event.kind, time: .now))
    }

    /// Adds an observation.
    func note(_ observation: Observation) {
        let waiter = state.withLock { state in
            state.observations.append(observation)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits until both sides have observed a step.
    ///
    /// - Throws: ``DemoFailure``, which says which side has not observed it in time, or that it was changed on the way.
    func waitFor(
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
                    throw DemoFailure(description: "\(step.name) was changed on the way")
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
            for observation in state.observations where observation.role == role {
                if case .ended(let outcome) = observation.event { return outcome }
            }
            return nil
        }
    }

    // MARK: Waiting

    private func take(_ step: DemoStep) -> (Observation, Observation)? {
        state.withLock { state in
            guard let sent = WireWatch.sending(step, state.observations),
                let received = WireWatch.receiving(step, state.observations)
            else { return nil }
            let pair = (state.observations[sent], state.observations[received])
            for index in [sent, received].sorted(by: >) { state.observations.remove(at: index) }
            return pair
        }
    }

    private static func sending(_ step: DemoStep, _ observations: [Observation]) -> Int? {
        observations.firstIndex { $0.role == step.sender && step.isSending($0.event) }
    }

    private static func receiving(_ step: DemoStep, _ observations: [Observation]) -> Int? {
        observations.firstIndex { $0.role == step.sender.peer && step.isReceiving($0.event) }
    }

    private func waitForMore(than step: DemoStep, until deadline: ContinuousClock.Instant) async {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLock { state in
                // It may have arrived since the last check.
                let isThere =
                    WireWatch.sending(step, state.observations) != nil
                    && WireWatch.receiving(step, state.observations) != nil
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
            (WireWatch.sending(step, state.observations) != nil, WireWatch.receiving(step, state.observations) != nil)
        }
        let sender = step.sender == .client ? "client" : "server"
        let receiver = step.sender == .client ? "server" : "client"
        let what =
            switch (wasSent, wasReceived) {
            case (true, _): "left the \(sender), but the \(receiver) did not see it"
            case (false, true): "was seen by the \(receiver), but not by the \(sender), which should have sent it"
            case (false, false): "was seen by neither client nor server"
            }
        let number = step.number.map { "step \($0), " } ?? ""
        return DemoFailure(description: "\(number)\(step.name), \(what) within \(limit.text())")
    }
}
