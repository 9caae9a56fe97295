import Lifeline

/// Shows the steps of the demo.
protocol StepRenderer: Sendable {
    /// Called before the connection is opened.
    func begin() async
    /// Called when both sides have observed a step.
    func show(_ seen: SeenStep) async
    /// Called when the connection has ended.
    func end(_ steps: [SeenStep], _ outcome: CloseOutcome) async
}
