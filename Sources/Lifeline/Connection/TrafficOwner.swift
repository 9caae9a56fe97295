/// Owns the counts of messages on a loop, and hands them to whoever measures them; on the loop.
protocol TrafficOwner: AnyObject {
    /// Has the counts handed over within a second.
    func scheduleHandOver()

    /// Hands the counts over, and begins to count anew.
    func handOver()

    /// Records the time between a Ping and its Pong.
    func measured(roundTrip: Duration)
}
