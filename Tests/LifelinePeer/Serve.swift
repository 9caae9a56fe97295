import ArgumentParser
import Foundation
import Lifeline
import LifelineCore

/// A server for another implementation's clients, which say in their request what it is to do.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve another implementation's clients.",
        discussion: """
            /script?id=ID&step=STEP&step=STEP… does the steps, and speaks the subprotocols chat.v2 and chat.v1.
            /on-loop?id=ID echoes on the event loop.
            """)

    @Option(help: "The port to listen on; 0 picks a free one.")
    var port = 0

    @Option(help: "The certificate's file, for wss.")
    var certificate: String?

    @Option(help: "The file of the certificate's key.")
    var key: String?

    @OptionGroup
    var compression: CompressionOptions

    func run() async throws {
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: port))
        if let certificate, let key {
            server.configuration.tls = ServerTLS(certificateChain: .file(certificate), privateKey: .file(key))
        }
        try compression.apply(to: &server.configuration.endpoint)
        let compress = compression.choice
        server.onListening = { Report.listening(at: $0).print() }
        server.route("/script", subprotocols: ["chat.v2", "chat.v1"]) { socket in
            let script = try Script(socket.handshake.parameters("step"), compress: compress)
            await script.run(socket, Reporter(id: socket.handshake.parameters("id").first))
        }
        server.routeOnLoop("/on-loop") { handshake in
            OnLoopEcho(reporter: Reporter(id: handshake.parameters("id").first), compress: compress)
        }
        try await server.run()
    }
}

extension WebSocketHandshake {
    /// The values that the query has for a name.
    func parameters(_ name: String) -> [String] {
        query.values(of: name)
    }
}
