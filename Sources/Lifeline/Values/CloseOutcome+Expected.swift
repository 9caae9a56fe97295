public import LifelineCore

extension CloseOutcome {
    /// Whether a conversation may end so: cleanly, with 1000, 1001, or without a code.
    public var isExpected: Bool {
        isClean && [.normalClosure, .goingAway, .noStatusReceived].contains(code)
    }
}
