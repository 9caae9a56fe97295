import Lifeline
import StayExample

// Start `swift run Ticker`, then `swift run Stay`. Stop the ticker and start it again: this client comes back.

@main
struct Main {
    static func main() async throws {
        var attempts = 0
        try await stay(at: "ws://127.0.0.1:8081/ticks") {
            // A real client asks its login service here.
            attempts += 1
            return "token-\(attempts)"
        } handler: { socket in
            print("connected, attempt \(attempts)")
            for try await message in socket { print(message.text ?? "\(message.count) bytes") }
        }
    }
}
