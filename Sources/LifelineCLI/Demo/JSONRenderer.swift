import Lifeline
import LifelineTrace

/// Writes each step as a JSON object on one line, for programs.
struct JSONRenderer: StepRenderer {
    let terminal: Terminal
    /// The origin of the times.
    let origin: ContinuousClock.Instant

    func begin() {}

    func show(_ seen: SeenStep) {
        var object = JSONObject()
        object.add("step", seen.step.key)
        if let number = seen.step.number { object.add("number", number) }
        object.add("phase", seen.step.phase.rawValue.lowercased())
        object.add("from", "\(seen.step.sender)")
        object.add("to", "\(seen.step.sender.peer)")
        object.add("content", seen.content.joined(separator: "; "))
        object.add("sentMicroseconds", origin.duration(to: seen.begin).microseconds)
        object.add("receivedMicroseconds", origin.duration(to: seen.received.time).microseconds)
        object.add("elapsedMicroseconds", seen.elapsed.microseconds)
        if let roundTrip = seen.roundTrip { object.add("roundTripMicroseconds", roundTrip.microseconds) }
        try? terminal.write(object.line)
    }

    func end(_ steps: [SeenStep], _ outcome: CloseOutcome) {
        var object = JSONObject()
        object.add("result", "clean")
        object.add("code", Int(outcome.code.rawValue))
        object.add("steps", steps.count)
        try? terminal.write(object.line)
    }
}
