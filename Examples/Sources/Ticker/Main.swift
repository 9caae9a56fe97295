import Lifeline
import TickerExample

// Run the server with `swift run Ticker`, and a client with `swift run Ticker watch` in another terminal.

@main
struct Main {
    static func main() async throws {
        if CommandLine.arguments.dropFirst().first == "watch" {
            try await watchTicker(at: "ws://127.0.0.1:8081/ticks") { print($0) }
        } else {
            var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8081))
            server.addTicker(every: .seconds(1))
            server.onListening = { address in print("ticking at ws://\(address)/ticks") }
            try await server.run()
        }
    }
}
