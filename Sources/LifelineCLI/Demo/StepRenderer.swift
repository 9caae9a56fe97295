import Lifeline

/// A way to show the demo's steps, each as it is seen.
protocol StepRenderer: Sendable {
    /// The connection is about to be opened.
    func begin() async
    /// Both sides have seen a step.
    func show(_ seen: SeenStep) async
    /// The connection has ended.
    func end(_ steps: [SeenStep], _ outcome: CloseOutcome) async
}
