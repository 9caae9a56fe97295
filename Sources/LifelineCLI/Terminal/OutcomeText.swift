import Lifeline
import LifelineTrace

/// The end of a connection in one line: the code, the reason, who initiated it, and what went wrong.
struct OutcomeText: CustomStringConvertible {
    let description: String

    /// The outcome of a connection of this process.
    init(_ outcome: CloseOutcome, _ terminal: Terminal, _ redaction: Redaction = Redaction()) {
        let (reason, failure) = redaction.texts(of: outcome)
        let initiator =
            switch outcome.initiator {
            case .local: "this side"
            case .peer: "the peer"
            case .both: "both simultaneously"
            }
        self.init(outcome.code, reason, isClean: outcome.isClean, initiator: initiator, failure, terminal)
    }

    /// The outcome of a relayed connection, as seen from the server.
    init(_ ending: TraceEvent.Ending, _ terminal: Terminal) {
        self.init(
            CloseCode(rawValue: ending.code), ending.reason, isClean: ending.isClean,
            initiator: ending.initiator == .local ? "the server" : "the client", ending.failure, terminal)
    }

    private init(
        _ code: CloseCode, _ reason: String, isClean: Bool, initiator: String, _ failure: String?, _ terminal: Terminal
    ) {
        description =
            "\(code)" + (reason.isEmpty ? "" : " " + reason.quoted(unicode: terminal.usesUnicode))
            + (isClean ? ", clean" : ", not clean") + ", initiated by " + initiator
            + (failure.map { ": " + terminal.visible($0) } ?? "")
    }
}
