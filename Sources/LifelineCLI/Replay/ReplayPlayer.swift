import Lifeline
import LifelineTrace

/// Plays a side of a recorded connection on a live one.
struct ReplayPlayer: Sendable {
    let replay: Replay
    let comparison: ReplayComparison
    /// How fast: 1 as recorded, 2 twice as fast, 0 as fast as the answers come.
    let pace: Double
    /// How long an answer may take, beyond what it took when it was recorded; the answer to a Close frame too.
    let patience: Duration

    /// How long this side waits before it closes: what was not recorded may be on its way.
    private static let lastMoment = Duration.milliseconds(100)
    /// How long the other side has to end TCP, once the closing handshake is done.
    private static let patienceWithTCP = Duration.milliseconds(500)

    /// Plays to the end of TCP.
    func play(_ socket: WebSocket) async {
        // Each step is to leave by itself: on the connection's loop several would leave together, control frames first.
        await withTaskExecutorPreference(globalConcurrentExecutor) {
            let receiving = Task {
                do {
                    for try await message in socket { comparison.add(message) }
                } catch {
                    // The connection has ended; what is missing is reported.
                }
            }
            await playSteps(socket)
            comparison.end(ReplayEnding(await end(socket)))
            await receiving.value
        }
    }

    private func playSteps(_ socket: WebSocket) async {
        let begin = ContinuousClock.now
        do {
            for step in replay.steps {
                if pace > 0 { try await Task.sleep(until: begin + paced(step.time)) }
                switch step.kind {
                case .close, .cut:
                    await waitForAnswers(step.answers, socket, until: .now + patience)
                    await waitForOutcome(socket, until: .now + ReplayPlayer.lastMoment)
                case _ where pace == 0: await waitForAnswers(step.answers, socket, until: .now + patience)
                default: break
                }
                switch step.kind {
                case .send(let message): try await socket.send(message)
                case .fragment(let kind, let position, let bytes): try await socket.send(kind, position, bytes)
                // Its answer is not waited for: the recorded side need not have waited either.
                case .ping: socket.sendPing()
                case .close(let frame): return socket.beginClose(frame)
                case .cut: return socket.abort("as recorded")
                }
            }
            let rest = max(begin + paced(replay.end), .now)
            await waitForAnswers(replay.answers.count, socket, until: rest + patience)
            // The other side ended it, or the recording does.
            await waitForOutcome(
                socket, until: max(rest, .now) + (replay.ending == nil ? ReplayPlayer.lastMoment : patience))
        } catch {
            // The same.
        }
    }

    /// A recorded time at the pace; no more than a year, whatever was recorded.
    func paced(_ time: Int64) -> Duration {
        pace > 0 ? min(.nanoseconds(Int64(saturating: Double(max(time, 0)) / pace)), TimeSpan.longest) : .zero
    }

    /// Closes the connection where it is open, and does not wait for long for who leaves TCP open.
    private func end(_ socket: WebSocket) async -> CloseOutcome {
        socket.beginClose(CloseFrame(.normalClosure, ""))
        await waitForOutcome(socket, until: .now + patience)
        let patience = await socket.outcome == nil ? .zero : ReplayPlayer.patienceWithTCP
        let cutting = Task {
            try await Task.sleep(for: patience)
            socket.abort("the other side has not ended the connection in time")
        }
        defer { cutting.cancel() }
        return await socket.end()
    }

    /// Waits until so many answers have come, or nothing can come any more, or it has taken too long.
    private func waitForAnswers(_ count: Int, _ socket: WebSocket, until deadline: ContinuousClock.Instant) async {
        while comparison.count < count, await socket.outcome == nil, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return }
        }
    }

    /// Waits until it is decided how the connection ends, or it has taken too long.
    private func waitForOutcome(_ socket: WebSocket, until deadline: ContinuousClock.Instant) async {
        while await socket.outcome == nil, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return }
        }
    }
}
