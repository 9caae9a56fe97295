public import LifelineCore

extension CloseOutcome {
    /// Whether the connection ended as expected: cleanly, with 1000, with 1001, or without a code.
    public var isExpected: Bool {
        isClean && [.normalClosure, .goingAway, .noStatusReceived].contains(code)
    }
}
