import Foundation
import LifelineCore
import LifelineLocks
import Testing

@testable import Lifeline

/// A network in virtual time, and the engine of the one loop upon it.
///
/// Everything happens on the thread that made it, in an order that the seed decides: work that is ready first, then what
/// is due next. Time passes only when a test says so, and no test sleeps.
final class SimulatedNetwork: LoopDriver, @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    private struct Timed {
        var instant: Instant
        var work: Work
    }

    private(set) var instant = Instant(nanoseconds: 86_399_123_456_789)
    /// For sizes and times that a test leaves to chance.
    var random: SplitMix64

    private let thread = pthread_self()
    /// Whether what runs at the moment counts as a task on some other thread.
    private var isElsewhere = false
    /// Work for this moment. Cancellation can bring some from other threads.
    private let ready = Lock<[Work]>([])
    /// Work for later, in the order of its time.
    private var later: [Timed] = []
    private var wakeUp: (instant: Instant, loop: Loop)?

    /// The most steps between two instants, after which something is going round in circles.
    private static let maximumSteps = 3_000_000

    init(seed: UInt64 = 1) {
        random = SplitMix64(seed: seed)
    }

    // MARK: The loop's driver

    var isOnLoop: Bool { !isElsewhere && pthread_equal(pthread_self(), thread) != 0 }

    func now() -> Instant { instant }

    func execute(_ work: @escaping Work) {
        ready.withLock { $0.append(work) }
    }

    func wake(at instant: Instant, _ loop: Loop) {
        wakeUp = (instant, loop)
    }

    // MARK: Work

    /// Runs something as if on another thread: the loop is not the caller's then.
    func elsewhere(_ work: () -> Void) {
        isElsewhere = true
        work()
        isElsewhere = false
    }

    /// Has something run after a time.
    func execute(after delay: Duration, _ work: @escaping Work) {
        guard delay > .zero else { return execute(work) }
        let due = instant.advanced(by: delay)
        let place = later.lastIndex { $0.instant <= due }.map { $0 + 1 } ?? 0
        later.insert(Timed(instant: due, work: work), at: place)
    }

    // MARK: Time

    /// Does everything that can be done before time passes.
    func run() {
        var steps = 0
        while case let done = runOnce(), done > 0 {
            steps += done
            guard steps < SimulatedNetwork.maximumSteps else {
                Issue.record("the simulated network does not come to rest")
                return
            }
        }
    }

    /// Does what is ready, and leaves what that makes ready.
    ///
    /// - Returns: How many things were done.
    @discardableResult
    func runOnce() -> Int {
        let batch = ready.withLock { ready in
            defer { ready = [] }
            return ready
        }
        for work in batch { work() }
        return batch.count
    }

    /// Lets time pass; everything on the way happens exactly when it is due.
    func advance(by duration: Duration) {
        let end = instant.advanced(by: duration)
        run()
        while let next = nextInstant, next <= end {
            instant = max(instant, next)
            step()
            run()
        }
        instant = end
    }

    private var nextInstant: Instant? {
        guard let wakeUp else { return later.first?.instant }
        return later.first.map { min($0.instant, wakeUp.instant) } ?? wakeUp.instant
    }

    /// Does one thing that is due.
    private func step() {
        if let first = later.first, first.instant <= instant {
            later.removeFirst()
            first.work()
        } else if let (due, loop) = wakeUp, due <= instant {
            wakeUp = nil
            loop.timersAreDue()
        }
    }

    /// Lets go of everything that refers back to here.
    func tearDown() {
        later = []
        wakeUp = nil
        ready.withLock { $0 = [] }
    }
}

/// Runs tasks that are not at home on the loop, on the same thread and in the same order each time.
final class ElsewhereExecutor: TaskExecutor {
    private let network: SimulatedNetwork

    init(_ network: SimulatedNetwork) {
        self.network = network
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        network.execute { [self] in
            network.elsewhere { job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }
}
