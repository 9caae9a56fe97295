import ArgumentParser
import Lifeline

/// A client for another implementation's server.
struct Connect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Connect to another implementation's server.")

    @Argument(help: "The server's URL.")
    var url: String

    @Argument(help: "What to do once connected.")
    var steps: [String] = []

    @Option(name: .customLong("subprotocol"), help: "A subprotocol to offer.")
    var subprotocols: [String] = []

    @Option(help: "The file of the roots to trust, for wss.")
    var trust: String?

    @Flag(help: "Handle the connection on its event loop.")
    var onLoop = false

    @OptionGroup
    var compression: CompressionOptions

    func run() async throws {
        let script = try Script(steps, compress: compression.choice)
        let reporter = Reporter()
        var configuration = WebSocketClientConfiguration()
        configuration.subprotocols = subprotocols
        configuration.handlesOnLoop = onLoop
        try compression.apply(to: &configuration.endpoint)
        if let trust { configuration.tls.trustedRoots = .file(trust) }
        do {
            try await WebSocketClient.connect(to: url, configuration: configuration) { socket in
                await script.run(socket, reporter)
            }
        } catch {
            reporter.failed(error)
        }
    }
}
