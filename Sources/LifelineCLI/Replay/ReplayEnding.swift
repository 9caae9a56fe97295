import Lifeline
import LifelineTrace

/// How a connection ended, as the played side of a replay sees it.
struct ReplayEnding: Sendable {
    /// Who began the end.
    enum Initiator: Hashable, Sendable {
        /// The side that is played.
        case played
        /// The other side.
        case other
        /// Both, with Close frames that crossed on the wire.
        case both
    }

    /// Who began.
    var initiator: Initiator
    /// The other side's Close frame; `nil` where none came.
    var received: CloseFrame?
    /// Whether the played side sent one before.
    var hasClosed: Bool
    /// What went wrong.
    var failure: String?

    /// Whether it ended the same way. Where Close frames crossed on the wire once, either may be the first another time.
    func isSame(as other: ReplayEnding) -> Bool {
        received == other.received
            && (initiator == other.initiator || initiator == .both || other.initiator == .both)
    }

    /// The end in words.
    ///
    /// - Parameter side: The side that is played.
    func text(played side: WebSocketRole) -> String {
        let (played, other) = ("the \(side.rawValue)", "the \(side.peer.rawValue)")
        let code = received.map { "\($0.code.map { "\($0)" } ?? "no code")" } ?? ""
        let reason = received.map { $0.reason.isEmpty ? "" : " " + $0.reason.quoted() } ?? ""
        var text: String
        switch (initiator, received) {
        case (.played, .some): text = "closed by \(played), answered with \(code)\(reason)"
        case (.other, .some): text = "closed by \(other) with \(code)\(reason)"
        case (.both, .some): text = "closed by both at once, by \(other) with \(code)\(reason)"
        case (.other, nil): text = "ended by \(other) without a Close frame"
        case (_, nil):
            text = hasClosed ? "closed by \(played), and not answered" : "ended by \(played) without a Close frame"
        }
        if let failure { text += " (\(failure))" }
        return text
    }
}

extension ReplayEnding {
    /// How a live connection ended.
    init(_ outcome: CloseOutcome) {
        initiator =
            switch outcome.initiator {
            case .local: .played
            case .peer: .other
            case .both: .both
            }
        received = outcome.received
        hasClosed = outcome.sent != nil
        failure = outcome.failure.map { "\($0)" }
    }
}
