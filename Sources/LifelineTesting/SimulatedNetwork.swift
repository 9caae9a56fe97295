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

/// A network in virtual time, and the driver of the one loop upon it.
///
/// Everything happens on one thread, in an order that the seed decides: work that is ready first, then what is due next. Time
/// passes only when ``advance(by:)`` says so, and nobody sleeps. The thread is the one that made the network, which calls
/// ``run()``; or, if the network runs by itself, whichever thread does its work at the moment, one at a time.
///
/// `@unchecked Sendable`: all state but the agenda's is touched on that one thread alone.
package final class SimulatedNetwork: LoopDriver, @unchecked Sendable {
    package typealias Work = @Sendable () -> Void

    private struct Timed {
        var instant: MonotonicInstant
        var work: Work
        /// Who is woken by it.
        var sleeper: Sleeper?
    }

    package private(set) var instant = MonotonicInstant(nanoseconds: 86_399_123_456_789)
    /// For sizes and times that are left to chance.
    package var random: SplitMix64
    /// Runs tasks as if on other threads.
    package let elsewhere: ElsewhereExecutor
    /// Is called where work goes round in circles and time would never pass; traps where nobody is to be told.
    package var whenRestless: () -> Void = { preconditionFailure("the simulated network does not come to rest") }

    /// The thread that does the work; 0 between two runs of a network that runs by itself.
    private let thread: Atomic<UInt>
    /// Whether work is done as soon as there is some, on any thread, rather than when ``run()`` is called.
    package let runsByItself: Bool
    private let agenda: Agenda
    /// Work for later, in the order of its time.
    private var later: [Timed] = []
    private var wakeUp: (instant: MonotonicInstant, loop: Loop)?

    /// The most steps between two instants, after which something is going round in circles.
    private static let maximumSteps = 3_000_000

    /// - Parameter runsByItself: Whether work is done as soon as there is some, on any thread, rather than when ``run()`` is
    ///   called on this one.
    package init(seed: UInt64 = 1, runsByItself: Bool = false) {
        random = SplitMix64(seed: seed)
        self.runsByItself = runsByItself
        let runner = Runner()
        agenda = runsByItself ? Agenda { _ in Task.detached { runner.network?.drain() } } : Agenda()
        elsewhere = ElsewhereExecutor(agenda)
        thread = Atomic(runsByItself ? 0 : SimulatedNetwork.currentThread)
        runner.network = self
    }

    /// Leads from the agenda back to its network. `@unchecked Sendable`: it is set once, before there is work.
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

    /// Does everything that there is to do, on this thread.
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

    /// Runs a function where the network's work is done.
    package func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard runsByItself, !isOnLoop else { return try body() }
        return try await withUnsafeThrowingContinuation { continuation in
            execute { continuation.resume(with: Result { try body() }) }
        }
    }

    /// Lets time pass once everything has been done that can be done before.
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

    /// Has something run after a time.
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

    /// Does everything that can be done before time passes.
    package func run() {
        var steps = 0
        while case let done = runOnce(), done > 0 {
            steps += done
            guard steps < SimulatedNetwork.maximumSteps else { return whenRestless() }
        }
    }

    /// Does what is ready, and leaves what that makes ready.
    ///
    /// - Returns: How many things were done.
    @discardableResult
    package func runOnce() -> Int { agenda.runOnce() }

    /// Lets time pass; everything on the way happens exactly when it is due.
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

    /// Lets time pass up to the next thing that is due, if that is no further away.
    ///
    /// - Returns: Whether there was one.
    @discardableResult
    package func advanceToNext(within duration: Duration) -> Bool {
        run()
        guard let next = nextInstant, next <= instant.advanced(by: duration) else { return false }
        instant = max(instant, next)
        step()
        run()
        return true
    }

    /// When the next thing is due.
    package var nextInstant: MonotonicInstant? {
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

    /// Wakes who sleeps, and lets go of everything that refers back to here.
    package func tearDown() {
        for timed in later { timed.sleeper?.wake() }
        run()
        later = []
        wakeUp = nil
        agenda.removeAll()
    }
}
