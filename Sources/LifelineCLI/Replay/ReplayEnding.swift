import Lifeline
import LifelineTrace

/// How a connection ended, from the played side's point of view.
struct ReplayEnding: Sendable {
    /// The side that initiated the close.
    enum Initiator: Hashable, Sendable {
        /// The played side.
        case played
        /// The other side.
        case other
        /// Both sides, with Close frames that crossed on the wire.
        case both
    }

    /// The side that initiated the close.
    var initiator: Initiator
    /// The other side's Close frame, or `nil` if there was none.
    var received: CloseFrame?
    /// Whether the played side had sent a Close frame.
    var hasClosed: Bool
    /// What went wrong.
    var failure: String?

    /// Whether both are the same. If Close frames crossed on the wire in one of them, either side may have been first
    /// in the other.
    func isSame(as other: ReplayEnding) -> Bool {
        received == other.received
            && (initiator == other.initiator || initiator == .both || other.initiator == .both)
    }

    /// The end in words.
    ///
    /// - Parameter side: The played side.
    func text(played side: WebSocketRole) -> String {
        let (played, other) = ("the \(side.rawValue)", "the \(side.peer.rawValue)")
        let code = received.map { "\($0.code.map { "\($0)" } ?? "no code")" } ?? ""
        let reason = received.map { $0.reason.isEmpty ? "" : " " + $0.reason.quoted() } ?? ""
        var text: String
        switch (initiator, received) {
        case (.played, .some): text = "closed by \(played), answered with \(code)\(reason)"
        case (.other, .some): text = "closed by \(other) with \(code)\(reason)"
        case (.both, .some): text = "closed by both simultaneously, by \(other) with \(code)\(reason)"
        case (.other, nil): text = "ended by \(other) without a Close frame"
        case (_, nil):
            text = hasClosed ? "closed by \(played), without an answer" : "ended by \(played) without a Close frame"
        }
        if let failure { text += " (\(failure))" }
        return text
    }
}

extension ReplayEnding {
    /// The end of a live connection.
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
