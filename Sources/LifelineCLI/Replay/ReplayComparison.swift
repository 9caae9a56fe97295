import Lifeline
import LifelineLocks
import LifelineTrace
import NIOCore

/// Compares received messages, and then the end, with the recording.
final class ReplayComparison: Sendable {
    private struct State {
        var count = 0
        var differing = 0
        var firstDifference: String?
        var ending: ReplayEnding?
    }

    private let recorded: [WebSocketMessage]
    private let recordedEnding: ReplayEnding?
    private let side: WebSocketRole
    private let ignoredMembers: Set<String>
    private let state = Lock(State())

    init(_ replay: Replay, ignoring members: [String]) {
        recorded = replay.answers
        recordedEnding = replay.ending
        side = replay.side
        ignoredMembers = Set(members)
    }

    /// The number of received messages.
    var count: Int { state.withLock { $0.count } }

    /// Whether as many messages were received as recorded.
    var hasAll: Bool { count >= recorded.count }

    /// Compares the next message.
    func add(_ message: WebSocketMessage) {
        state.withLock { state in
            let index = state.count
            state.count += 1
            let difference =
                index < recorded.count
                ? difference(message, recorded[index])
                : "not recorded: \(ReplayComparison.text(message))"
            guard let difference else { return }
            state.differing += 1
            state.firstDifference = state.firstDifference ?? "message \(index + 1): \(difference)"
        }
    }

    /// Compares the end.
    func end(_ ending: ReplayEnding) {
        state.withLock { $0.ending = ending }
    }

    /// Returns whether everything was the same, and the lines of the report.
    func report() -> (isSame: Bool, lines: [String]) {
        let (messages, ending) = (reportMessages(), reportEnding())
        return (messages.isSame && ending.isSame, messages.lines + [ending.line])
    }

    /// Returns the lines of the report about a replay that was interrupted.
    func interruptedReport() -> [String] {
        state.withLock { state in
            let received = "\(state.count) of \(recorded.count.counted("message")) received"
            let (first, differing) = (state.firstDifference.map { [$0] } ?? [], state.differing)
            let compared = differing == 0 ? "all as recorded" : "\(differing) different"
            return first + ["interrupted: " + received + (state.count == 0 ? "" : ", " + compared)]
        }
    }

    private func reportEnding() -> (isSame: Bool, line: String) {
        guard let recordedEnding else { return (true, "the recording does not say how the connection ended") }
        let recorded = recordedEnding.text(played: side)
        guard let ending = state.withLock({ $0.ending }) else {
            return (false, "the connection did not end as recorded: \(recorded)")
        }
        guard ending.isSame(as: recordedEnding) else {
            return (false, "the connection ended differently: \(ending.text(played: side)); recorded: \(recorded)")
        }
        return (true, "ended as recorded: \(recorded)")
    }

    private func reportMessages() -> (isSame: Bool, lines: [String]) {
        state.withLock { state in
            let missing = max(0, recorded.count - state.count)
            if state.differing == 0, missing == 0 {
                return (true, ["\(state.count.counted("message")) as recorded"])
            }
            var lines: [String] = []
            if let first = state.firstDifference { lines.append(first) }
            if missing > 0 {
                lines.append(
                    "message \(state.count + 1): missing: \(ReplayComparison.text(recorded[state.count]))")
            }
            lines.append(
                "\(recorded.count.counted("message")) recorded, \(state.count) received, \(state.differing) different")
            return (false, lines)
        }
    }

    private func difference(_ found: WebSocketMessage, _ wanted: WebSocketMessage) -> String? {
        guard found != wanted else { return nil }
        if !ignoredMembers.isEmpty, case .text(let found) = found, case .text(let wanted) = wanted,
            let foundValue = JSONValue(found), let wantedValue = JSONValue(wanted),
            foundValue.without(ignoredMembers) == wantedValue.without(ignoredMembers)
        {
            return nil
        }
        let texts = "\(ReplayComparison.text(found)); recorded: \(ReplayComparison.text(wanted))"
        if found.kind != wanted.kind { return "another kind: \(texts)" }
        let (foundBytes, wantedBytes) = (found.buffer.readableBytesView, wanted.buffer.readableBytesView)
        let place = zip(foundBytes, wantedBytes).prefix { $0 == $1 }.count
        return "different from byte \(place + 1) on: \(texts)"
    }

    /// Describes a message in a few words.
    private static func text(_ message: WebSocketMessage) -> String {
        switch message {
        case .text(let text):
            let (shown, isCut) = text.beginning(80)
            return "text of \(text.utf8.count.counted("byte")) " + shown.quoted() + (isCut ? "…" : "")
        case .binary(let bytes):
            let shown = bytes.readableBytesView.prefix(24)
            return "binary of \(bytes.readableBytes.counted("byte")) " + Hexadecimal.text(Array(shown))
                + (shown.count < bytes.readableBytes ? "…" : "")
        }
    }
}
