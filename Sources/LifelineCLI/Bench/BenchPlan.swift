import ArgumentParser
import Lifeline

/// The settings of a run.
struct BenchPlan: Sendable {
    /// What the connections do.
    enum Mode: String, CaseIterable, ExpressibleByArgument, Sendable {
        /// They send, and wait for the echo.
        case echo
        /// They receive the server's messages.
        case push
        /// One of them sends, and all receive what the server forwards.
        case publish
        /// They are opened and closed, again and again.
        case connect
        /// They stay open.
        case idle
    }

    var url: WebSocketURL
    var mode: Mode
    var connections: Int
    var inFlight: Int
    var payload: Payload
    /// Messages per second over all connections, or `nil` to send as fast as the echoes arrive.
    var rate: Double?
    var duration: Duration
    var warmup: Duration
    var loops: Int
    var client: WebSocketClientConfiguration
    /// The server's process, whose processor time and memory are reported.
    var process: Int?

    /// The loop that a connection belongs to.
    func loop(of connection: Int) -> Int { connection % loops }

    /// The rate at which a loop sends.
    func rate(ofLoop index: Int) -> Double? {
        // Only one connection sends, and it is on the first loop.
        if mode == .publish { return index == 0 ? rate : nil }
        let share = (index..<connections).count { loop(of: $0) == index }
        return rate.map { $0 * Double(share) / Double(connections) }
    }
}
