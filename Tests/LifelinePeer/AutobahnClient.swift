import ArgumentParser
import Lifeline
import LifelineCore

/// The client that Autobahn's fuzzing server tests: it asks how many cases there are, runs each as a connection of its own
/// that echoes, and has the report written.
struct AutobahnClient: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the cases of Autobahn's fuzzing server.")

    @Option(help: "Where the fuzzing server listens.")
    var url = "ws://127.0.0.1:9001"

    @Option(help: "The name in the report.")
    var agent = "Lifeline"

    func run() async throws {
        let count = try await connect("/getCaseCount") { socket in
            try await socket.receive { Int($0.text) } ?? nil
        }
        guard let count else { throw ValidationError("\(url) did not say how many cases there are") }
        if count > 0 {
            for number in 1...count { try await runCase(number) }
        }
        try await connect("/updateReports?agent=\(agent)") { socket in
            for try await _ in socket {}
        }
    }

    private func runCase(_ number: Int) async throws {
        do {
            try await connect("/runCase?case=\(number)&agent=\(agent)") { try await $0.echo(compress: .always) }
        } catch let error as WebSocketError where error.code == .closed {
            // However the case ended the connection, it is for the suite to judge.
        }
    }

    private func connect<Result>(_ path: String, _ handler: (WebSocket) async throws -> Result) async throws -> Result {
        var configuration = WebSocketClientConfiguration()
        configuration.endpoint.prepareForAutobahn()
        // Cases that break the protocol right behind a message want the message's echo before the connection fails.
        configuration.handlesOnLoop = true
        return try await WebSocketClient.connect(to: url + path, configuration: configuration, handler: handler)
    }
}
