import Dispatch
import Synchronization

/// Calls a function at the times of a schedule, on a thread of its own, since sleeping tasks wake up to a millisecond
/// late.
final class Ticker: Sendable {
    private let isStopped = Atomic(false)

    /// - Parameter tick: Called when each burst is due. Bursts whose time has passed are skipped.
    init(_ schedule: Schedule, _ tick: @escaping @Sendable () -> Void) {
        DispatchQueue(label: "lifeline.ticker", qos: .userInteractive).async { [self] in
            var number = 0
            while !isStopped.load(ordering: .relaxed) {
                // Sleeps no longer than this at a time, so that it can be stopped.
                let moment = schedule.moment(ofBurst: number)
                let step = System.monotonicTime() + 100_000_000
                System.block(until: min(moment, step))
                guard moment <= step else { continue }
                tick()
                number += 1
                let now = System.monotonicTime()
                while schedule.moment(ofBurst: number + 1) <= now { number += 1 }
            }
        }
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
    }
}
