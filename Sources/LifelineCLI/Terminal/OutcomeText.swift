import Lifeline
import LifelineTrace

/// A connection's end in one line: the code, the reason, who began, and what went wrong.
struct OutcomeText: CustomStringConvertible {
    let description: String

    init(_ outcome: CloseOutcome, _ terminal: Terminal, _ redaction: Redaction = Redaction()) {
        let (reason, failure) = redaction.texts(of: outcome)
        var text = "\(outcome.code)"
        if !reason.isEmpty { text += " " + reason.quoted(unicode: terminal.usesUnicode) }
        text += outcome.isClean ? ", clean" : ", not clean"
        switch outcome.initiator {
        case .local: text += ", begun by this side"
        case .peer: text += ", begun by the peer"
        case .both: text += ", begun by both sides at once"
        }
        if let failure { text += ": " + terminal.visible(failure) }
        description = text
    }
}
