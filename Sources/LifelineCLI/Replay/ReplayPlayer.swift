import Lifeline
import LifelineTrace

/// Plays a side of a recorded connection on a live one.
struct ReplayPlayer: Sendable {
    let replay: Replay
    let comparison: ReplayComparison
    /// How fast: 1 as recorded, 2 twice as fast, 0 as fast as the answers come.
    let pace: Double
    /// How long an answer may take, beyond what it took when it was recorded.
    let patience: Duration

    /// Plays to the end, and closes the connection.
    func play(_ socket: WebSocket) async {
        let receiving = Task {
            do {
                for try await message in socket { comparison.add(message) }
            } catch {
                // The connection has ended; what is missing is reported.
            }
        }
        let begin = ContinuousClock.now
        do {
            var hasClosed = false
            for step in replay.steps where !hasClosed {
                if pace > 0 {
                    try await Task.sleep(until: begin + .nanoseconds(Int64(Double(step.time) / pace)))
                } else {
                    await waitForAnswers(step.answers, socket, until: .now + patience)
                }
                switch step.kind {
                case .send(let message): try await socket.send(message)
                // Its answer is not waited for: the recorded side need not have waited either.
                case .ping: Task { _ = try? await socket.ping() }
                case .close(let code, let reason):
                    await waitForAnswers(step.answers, socket, until: .now + patience)
                    _ = try? await socket.close(code: code, reason: reason)
                    hasClosed = true
                }
            }
            if !hasClosed {
                let rest = pace > 0 ? begin + .nanoseconds(Int64(Double(replay.end) / pace)) : .now
                await waitForAnswers(replay.answers.count, socket, until: max(rest, .now) + patience)
                if pace > 0 { try await Task.sleep(until: rest) }
            }
        } catch {
            // The same.
        }
        _ = try? await socket.close(code: .normalClosure, reason: "")
        await receiving.value
    }

    /// Waits until so many answers have come, or nothing can come any more, or it has taken too long.
    private func waitForAnswers(_ count: Int, _ socket: WebSocket, until deadline: ContinuousClock.Instant) async {
        while comparison.count < count, await socket.outcome == nil, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return }
        }
    }
}
