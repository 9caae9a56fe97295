import ArgumentParser
import Lifeline

/// What a run is to do.
struct BenchPlan: Sendable {
    /// What the connections do.
    enum Mode: String, CaseIterable, ExpressibleByArgument, Sendable {
        /// They send and await the echo.
        case echo
        /// They receive what the server sends.
        case push
        /// They receive what one of them sends, and the server passes on to all.
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
    /// Messages a second over all connections; `nil` sends as fast as the echoes come.
    var rate: Double?
    var duration: Duration
    var warmup: Duration
    var loops: Int
    var client: WebSocketClientConfiguration
    /// The process whose processor time and memory are reported.
    var process: Int?

    /// The loop that a connection belongs to.
    func loop(of connection: Int) -> Int { connection % loops }

    /// The rate at which a loop is to send.
    func rate(ofLoop index: Int) -> Double? {
        // One connection sends, and it is the first loop's.
        if mode == .publish { return index == 0 ? rate : nil }
        let share = (index..<connections).count { loop(of: $0) == index }
        return rate.map { $0 * Double(share) / Double(connections) }
    }
}
