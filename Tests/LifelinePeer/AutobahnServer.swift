import ArgumentParser
import Foundation
import Lifeline
import LifelineCore

/// A server for Autobahn's fuzzing client that compresses all that it sends; `lifeline serve` is tested with its defaults.
struct AutobahnServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Echo at /, compressed, for Autobahn's fuzzing client.")

    /// Which face of the library echoes.
    enum Face: String, ExpressibleByArgument, CaseIterable {
        case async
        case onLoop = "on-loop"
    }

    @Option(help: "The port to listen on; 0 picks a free one.")
    var port = 0

    @Option(help: "Which face of the library echoes: \(Face.allCases.map(\.rawValue).joined(separator: " or ")).")
    var face = Face.async

    func run() async throws {
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: port))
        server.configuration.endpoint.prepareForAutobahn()
        server.configuration.buffers.maximumOutbound = EndpointConfiguration.autobahnMessageSize
        server.onListening = { address in
            FileHandle.standardOutput.write(Data("listening on ws://\(address)\n".utf8))
        }
        switch face {
        case .async: server.route("/") { try await $0.echo(compress: .always) }
        case .onLoop: server.routeOnLoop("/") { _ in OnLoopEcho(compress: .always) }
        }
        try await server.run()
    }
}

extension EndpointConfiguration {
    /// More than the largest case sends, 16 MiB.
    static let autobahnMessageSize = 64 << 20

    /// Raises the limits above what the cases send, and sends no Pings: they would be part of a case.
    mutating func prepareForAutobahn() {
        maximumFrameSize = EndpointConfiguration.autobahnMessageSize
        maximumMessageSize = EndpointConfiguration.autobahnMessageSize
        heartbeat = .disabled
    }
}
