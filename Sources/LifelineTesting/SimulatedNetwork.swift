package import Lifeline
package import LifelineCore
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A network in virtual time, which is also the driver of its one loop.
///
/// Everything happens on one thread, in an order that the seed determines: first the work that is ready, then the next
/// that is due. Time passes only when ``advance(by:)`` is called; no thread sleeps. The thread is the one that made the
/// network and calls ``run()``, or, if the network runs by itself, any thread, one at a time.
///
/// `@unchecked Sendable`: all state but the agenda's is accessed on that one thread only.
package final class SimulatedNetwork: LoopDriver, @unchecked Sendable {
    package typealias Work = @Sendable () -> Void

    private struct Timed {
        var instant: MonotonicInstant
        var work: Work
        /// The sleeper that the work wakes, if there is one.
        var sleeper: Sleeper?
    }

    package private(set) var instant = MonotonicInstant(nanoseconds: 86_399_123_456_789)
    /// The generator for random sizes and times.
    package var random: SplitMix64
    /// Runs tasks as if on other threads.
    package let elsewhere: ElsewhereExecutor
    /// A function that is called when work keeps adding work, so that time never passes. Default: traps.
    package var onLivelock: () -> Void = { preconditionFailure("the simulated network does not become idle") }

    /// The thread that runs the work; 0 between two runs of a network that runs by itself.
    private let thread: Atomic<UInt>
    /// Whether work runs automatically as soon as it is added, on any thread, rather than when ``run()`` is called.
    package let runsByItself: Bool
    private let agenda: Agenda
    /// Work for later, in the order in which it is due.
    private var later: [Timed] = []
    private var wakeUp: (instant: MonotonicInstant, loop: Loop)?

    /// The maximum number of steps at one instant; more count as a livelock.
    private static let maximumSteps = 3_000_000

    /// Creates a network.
    ///
    /// - Parameters:
    ///   - seed: The seed of ``random``.
    ///   - runsByItself: Whether work runs automatically as soon as it is added, on any thread, rather than when
    ///     ``run()`` is called on this thread.
    ///   - executor: Where a network that runs by itself runs its work. Default: Swift's shared threads.
    package init(seed: UInt64 = 1, runsByItself: Bool = false, executor: (any TaskExecutor)? = nil) {
        random = SplitMix64(seed: seed)
        self.runsByItself = runsByItself
        let runner = Runner()
        agenda =
            runsByItself
            ? Agenda { _ in Task.detached(executorPreference: executor) { runner.network?.drain() } } : Agenda()
        elsewhere = ElsewhereExecutor(agenda)
        thread = Atomic(runsByItself ? 0 : SimulatedNetwork.currentThread)
        runner.network = self
    }

    /// Refers from the agenda back to its network. `@unchecked Sendable`: it is set once, before there is work.
    private final class Runner: @unchecked Sendable {
        unowned(unsafe) var network: SimulatedNetwork!
    }

    private static var currentThread: UInt {
        #if canImport(Glibc)
        UInt(pthread_self())
        #else
        UInt(bitPattern: pthread_self())
        #endif
    }

    /// Runs all work, on the current thread.
    private func drain() {
        repeat {
            thread.store(SimulatedNetwork.currentThread, ordering: .relaxed)
            repeat { run() } while runWhenIdle()
        } while !agenda.endRun { thread.store(0, ordering: .relaxed) }
    }

    private func runWhenIdle() -> Bool {
        guard let work = agenda.takeWhenIdle() else { return false }
        work()
        return true
    }

    /// Runs a function as part of the network's work.
    package func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard runsByItself, !isOnLoop else { return try body() }
        return try await withUnsafeThrowingContinuation { continuation in
            execute { continuation.resume(with: Result { try body() }) }
        }
    }

    /// Advances time once all work at the current instant is done.
    package func advanceWhenIdle(by duration: Duration) async {
        await withUnsafeContinuation { continuation in
            agenda.addWhenIdle {
                self.advance(by: duration)
                continuation.resume()
            }
        }
    }

    // MARK: The loop's driver

    package var isOnLoop: Bool {
        thread.load(ordering: .relaxed) == SimulatedNetwork.currentThread && !agenda.isElsewhere
    }

    package func now() -> MonotonicInstant { instant }

    package func execute(_ work: @escaping Work) {
        agenda.add(work)
    }

    package func wake(at instant: MonotonicInstant, _ loop: Loop) {
        wakeUp = (instant, loop)
    }

    package var backgroundExecutor: (any TaskExecutor)? { elsewhere }

    package func sleep(for duration: Duration) async throws {
        let sleeper = Sleeper()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                guard sleeper.sleep(continuation) else { return }
                execute { self.schedule(after: duration, sleeper) { sleeper.wake() } }
            }
        } onCancel: {
            sleeper.wake()
        }
        try Task.checkCancellation()
    }

    // MARK: Work

    /// Runs work after a delay.
    package func execute(after delay: Duration, _ work: @escaping Work) {
        guard delay > .zero else { return execute(work) }
        schedule(after: delay, nil, work)
    }

    private func schedule(after delay: Duration, _ sleeper: Sleeper?, _ work: @escaping Work) {
        let due = instant.advanced(by: delay)
        let place = later.lastIndex { $0.instant <= due }.map { $0 + 1 } ?? 0
        later.insert(Timed(instant: due, work: work, sleeper: sleeper), at: place)
    }

    // MARK: Time

    /// Runs all work that is ready at the current instant.
    package func run() {
        var steps = 0
        while case let done = runOnce(), done > 0 {
            steps += done
            guard steps < SimulatedNetwork.maximumSteps else { return onLivelock() }
        }
    }

    /// Runs the work that is ready, but not the work that this adds.
    ///
    /// - Returns: The number of jobs that ran.
    @discardableResult
    package func runOnce() -> Int { agenda.runOnce() }

    /// Advances time. All work that becomes due on the way runs exactly when it is due.
    package func advance(by duration: Duration) {
        let end = instant.advanced(by: duration)
        run()
        while let next = nextInstant, next <= end {
            instant = max(instant, next)
            step()
            run()
        }
        instant = end
    }

    /// Advances time to the next work that is due, if it is due within `duration`.
    ///
    /// - Returns: Whether there was such work.
    @discardableResult
    package func advanceToNext(within duration: Duration) -> Bool {
        run()
        guard let next = nextInstant, next <= instant.advanced(by: duration) else { return false }
        instant = max(instant, next)
        step()
        run()
        return true
    }

    /// The instant at which the next work is due; `nil` if there is none.
    package var nextInstant: MonotonicInstant? {
        guard let wakeUp else { return later.first?.instant }
        return later.first.map { min($0.instant, wakeUp.instant) } ?? wakeUp.instant
    }

    /// Runs one piece of work that is due.
    private func step() {
        if let first = later.first, first.instant <= instant {
            later.removeFirst()
            first.work()
        } else if let (due, loop) = wakeUp, due <= instant {
            wakeUp = nil
            loop.timersAreDue()
        }
    }

    /// Wakes sleeping tasks, and releases everything that refers to the network.
    package func tearDown() {
        for timed in later { timed.sleeper?.wake() }
        run()
        later = []
        wakeUp = nil
        agenda.removeAll()
    }
}
