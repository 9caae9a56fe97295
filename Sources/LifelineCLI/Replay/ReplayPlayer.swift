import Lifeline
import LifelineTrace

/// Plays one side of a recorded connection on a live one.
struct ReplayPlayer: Sendable {
    let replay: Replay
    let comparison: ReplayComparison
    /// The speed: 1 as recorded, 2 twice as fast, 0 as fast as the answers arrive.
    let pace: Double
    /// How much longer than recorded an answer may take, including the answer to a Close frame.
    let timeout: Duration
    /// Ends the replay early.
    var interruption = ReplayInterruption()

    /// How long to wait before closing, for messages that were not recorded.
    private static let lastMoment = Duration.milliseconds(100)
    /// How long the other side may take to end TCP after the closing handshake.
    private static let tcpEndTimeout = Duration.milliseconds(500)
    /// How long the closing handshake may take after an interruption.
    private static let interruptedTimeout = Duration.seconds(5)

    /// Plays to the end of TCP.
    func play(_ socket: WebSocket) async {
        // Off the connection's loop, so that each step is sent by itself. On the loop, several would be sent together,
        // control frames first.
        await withTaskExecutorPreference(globalConcurrentExecutor) {
            let receiving = Task {
                do {
                    for try await message in socket { comparison.add(message) }
                } catch {
                    // The connection has ended. The comparison reports missing messages.
                }
            }
            let playing = Task { await playSteps(socket) }
            interruption.begin(playing)
            await playing.value
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
                case .close, .abort:
                    await waitForAnswers(step.answers, socket, until: .now + timeout)
                    await waitForOutcome(socket, until: .now + ReplayPlayer.lastMoment)
                case _ where pace == 0: await waitForAnswers(step.answers, socket, until: .now + timeout)
                default: break
                }
                guard !Task.isCancelled else { return }
                switch step.kind {
                case .send(let message): try await socket.send(message)
                case .fragment(let kind, let position, let bytes): try await socket.send(kind, position, bytes)
                // Does not wait for the Pong, since the recorded side need not have waited either.
                case .ping: socket.sendPing()
                case .close(let frame): return socket.beginClose(frame)
                case .abort: return socket.abort("as recorded")
                }
            }
            let rest = max(begin + paced(replay.end), .now)
            await waitForAnswers(replay.answers.count, socket, until: rest + timeout)
            // The other side ends the connection, or the recording breaks off.
            await waitForOutcome(
                socket, until: max(rest, .now) + (replay.ending == nil ? ReplayPlayer.lastMoment : timeout))
        } catch {
            // The connection has ended.
        }
    }

    /// Converts a recorded time to the pace, up to a year.
    func paced(_ time: Int64) -> Duration {
        pace > 0 ? min(.nanoseconds(Int64(saturating: Double(max(time, 0)) / pace)), TimeSpan.longest) : .zero
    }

    /// Closes the connection if it is open, and aborts it if the other side does not end TCP in time.
    private func end(_ socket: WebSocket) async -> CloseOutcome {
        // An interrupted server goes away (RFC 6455 §7.4.1), as `lifeline serve` does.
        let isLeaving = interruption.isInterrupted && replay.side == .server
        socket.beginClose(CloseFrame(isLeaving ? .goingAway : .normalClosure, ""))
        let timeout = interruption.isInterrupted ? min(timeout, ReplayPlayer.interruptedTimeout) : timeout
        await waitForOutcome(socket, until: .now + timeout)
        let limit = await socket.outcome == nil ? .zero : ReplayPlayer.tcpEndTimeout
        let aborting = Task {
            try await Task.sleep(for: limit)
            socket.abort("the peer did not close the connection in time")
        }
        defer { aborting.cancel() }
        return await socket.end()
    }

    /// Waits for a number of answers, the end of the connection, or the deadline.
    private func waitForAnswers(_ count: Int, _ socket: WebSocket, until deadline: ContinuousClock.Instant) async {
        while comparison.count < count, await socket.outcome == nil, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return }
        }
    }

    /// Waits for the outcome of the connection, or the deadline.
    private func waitForOutcome(_ socket: WebSocket, until deadline: ContinuousClock.Instant) async {
        while await socket.outcome == nil, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { return }
        }
    }
}
