import ArgumentParser

/// Lifeline's side of the tests against other implementations, `scripts/autobahn` and `scripts/interop`, and short
/// connections in great numbers, `scripts/churn`.
@main
struct LifelinePeer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lifeline's side of the tests against other implementations.",
        subcommands: [AutobahnServer.self, AutobahnClient.self, Serve.self, Connect.self, Churn.self])
}
