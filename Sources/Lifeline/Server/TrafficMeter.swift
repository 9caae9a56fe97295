import LifelineCore

/// Hands what the connections of a route have received and sent on one loop to the metrics: when a connection ends, and within a
/// second of each message otherwise.
///
/// `@unchecked Sendable`: the counts are confined to the loop.
final class TrafficMeter: TrafficOwner, @unchecked Sendable {
    /// The counts, which connections change in place.
    let counts: UnsafeMutablePointer<TrafficCounts>
    let route: ServerMetrics.Route
    private let loop: Loop
    private let metrics: ServerMetrics.Traffic

    init(_ loop: Loop, _ route: ServerMetrics.Route, _ metrics: ServerMetrics.Traffic) {
        self.loop = loop
        self.route = route
        self.metrics = metrics
        counts = .allocate(capacity: 1)
        counts.initialize(to: TrafficCounts(owner: self))
    }

    deinit {
        counts.deinitialize(count: 1)
        counts.deallocate()
    }

    /// Has the counts handed to the metrics in a second; on the loop.
    @inline(never)
    func scheduleHandOver() {
        loop.assertOnLoop()
        counts.pointee.handOverIsScheduled = true
        let loop = loop
        Task(executorPreference: loop.driver.backgroundExecutor) {
            try? await loop.driver.sleep(for: .seconds(1))
            loop.execute {
                self.counts.pointee.handOverIsScheduled = false
                self.handOver()
            }
        }
    }

    /// Hands the counts to the metrics, and begins to count anew; on the loop.
    func handOver() {
        loop.assertOnLoop()
        metrics.add(counts.pointee.received, counts.pointee.sent)
        counts.pointee.received = TrafficCounts.Direction()
        counts.pointee.sent = TrafficCounts.Direction()
    }

    /// Records the time between a Ping and its Pong.
    func measured(roundTrip: Duration) {
        metrics.measured(roundTrip: roundTrip)
    }
}
