import ChatExample
import Lifeline
import Logging
import ServiceLifecycle
import UnixSignals

// Run it with: swift run Chat
// Then, in another terminal: lifeline connect 'ws://127.0.0.1:8080/rooms/den?token=ada-1815'

@main
struct Chat {
    static func main() async throws {
        let users = ["ada-1815": "Ada", "grace-1906": "Grace"]
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
        server.addChat(Rooms()) { token in users[token] }
        server.onListening = { address in print("chat at ws://\(address)/rooms/den?token=ada-1815") }

        // On Ctrl-C and SIGTERM the group shuts the server down: each connection is closed with 1001.
        let group = ServiceGroup(
            services: [server], gracefulShutdownSignals: [.sigint, .sigterm], logger: Logger(label: "chat"))
        try await group.run()
    }
}
