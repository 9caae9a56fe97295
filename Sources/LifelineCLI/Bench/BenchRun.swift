import Lifeline
import LifelineLocks
import Synchronization

/// One run of the load generator, from the first connection to the last.
final class BenchRun: Sendable {
    /// The connections that may be on their way to open at a time, so that no server's queue overflows.
    private static let maximumOpening = 64
    /// How long echoes may take when nothing more is sent, and then the closing handshakes.
    private static let patience = Duration.seconds(2)
    /// The pause after an attempt to connect that failed.
    private static let pause = Duration.milliseconds(10)

    private let plan: BenchPlan
    private let loops: ClientLoops
    private let loads: [LoadLoop]
    private let progress: Progress?
    private let isInterrupted = Atomic(false)
    private let mustStopConnecting = Atomic(false)
    /// The task that opens the first connections.
    private let opening = Lock<Task<Void, any Error>?>(nil)

    /// - Parameter progress: Who is told each second what has come of it.
    init(_ plan: BenchPlan, progress: Progress?) throws(WebSocketError) {
        self.plan = plan
        self.progress = progress
        loops = try ClientLoops(plan.client.engine, count: plan.loops, usesTLS: plan.url.isSecure)
        let publication = plan.mode == .publish ? Publication() : nil
        loads = (0..<plan.loops).map { _ in LoadLoop(plan, publication) }
    }

    /// Ends the run early; what has been measured is reported.
    func interrupt() {
        isInterrupted.store(true, ordering: .relaxed)
        opening.withLock { $0 }?.cancel()
    }

    /// Begins what an interruption is not to wait for.
    private func begin(_ body: @escaping @Sendable () async throws -> Void) -> Task<Void, any Error> {
        let task = Task { try await body() }
        opening.withLock { $0 = task }
        // It may have come before.
        if wasInterrupted { task.cancel() }
        return task
    }

    private var wasInterrupted: Bool { isInterrupted.load(ordering: .relaxed) }

    // MARK: The run

    /// Does it all.
    ///
    /// - Returns: What was measured; `nil` where the run was interrupted before anything was.
    /// - Throws: `WebSocketError` where not even one connection could be opened.
    func run() async throws -> BenchReport? {
        var report = BenchReport(plan, engine: loops.engineName)
        report.memoryBefore = plan.process.flatMap { ProcessFigures.memory(of: $0) }
        do {
            try await begin { try await self.probe() }.value
        } catch let error as WebSocketError where error.code == .cancelled {
            return nil
        }
        if plan.mode == .connect {
            let workers = Task { await self.reconnect() }
            await measure(&report)
            mustStopConnecting.store(true, ordering: .relaxed)
            let patience = Task {
                if !self.wasInterrupted { try await Task.sleep(for: BenchRun.patience) }
                workers.cancel()
            }
            await workers.value
            patience.cancel()
        } else {
            try await begin { await self.open() }.value
            report.connectionsOpened = await onAll { $0.openConnections }.reduce(0, +)
            if !wasInterrupted { await measure(&report) }
            report.connectionsLeft = await onAll { $0.openConnections }.reduce(0, +)
        }
        report.memoryAfter = plan.process.flatMap { ProcessFigures.memory(of: $0) }
        await close()
        for faults in await onAll({ $0.faults }) { report.faults.add(faults) }
        report.wasInterrupted = wasInterrupted
        return report.seconds > 0 ? report : nil
    }

    /// Warms up, and measures.
    private func measure(_ report: inout BenchReport) async {
        let tickers = await beginLoad()
        defer { for ticker in tickers { ticker.stop() } }
        if plan.mode != .idle {
            await sleep(plan.warmup)
            guard !wasInterrupted else { return }
        }
        let before = await onAll { load in
            // What came of warming up is nobody's business. Idle connections are counted as they open.
            if self.plan.mode != .idle { _ = load.take() }
            return LoopMoment.now
        }
        let timeBefore = plan.process.flatMap { ProcessFigures.time(of: $0) }
        progress?.begin()
        await watch(&report)
        let finals = await onAll { load in (load.finish(), LoopMoment.now) }
        if let timeBefore, let timeAfter = plan.process.flatMap({ ProcessFigures.time(of: $0) }) {
            report.server = timeAfter - timeBefore
        }
        for (start, (final, end)) in zip(before, finals) {
            report.tally.add(final.0)
            report.overdue += final.overdue
            report.loops.append(end.share(since: start))
            report.seconds = max(report.seconds, end.seconds(since: start))
        }
    }

    /// Lets the load run, and gathers what it counts each second.
    private func watch(_ report: inout BenchReport) async {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: plan.duration)
        while !wasInterrupted, clock.now < end {
            await sleep(min(.seconds(1), clock.now.duration(to: end)))
            guard progress != nil || plan.mode != .connect else { continue }
            var second = Tally()
            for tally in await onAll({ $0.take() }) { second.add(tally) }
            report.tally.add(second)
            let faults = await onAll { $0.faults.total }.reduce(0, +)
            progress?.show(second, faults: faults, mode: plan.mode)
            if plan.mode != .connect, await onAll({ $0.openConnections }).allSatisfy({ $0 == 0 }) { return }
        }
    }

    /// Has all loops begin.
    private func beginLoad() async -> [Ticker] {
        // A little later, so that no loop begins behind its schedule.
        let start = System.monotonicTime() + 10_000_000
        var tickers: [Ticker] = []
        for index in 0..<plan.loops {
            let schedule = plan.rate(ofLoop: index).map { Schedule(start: start, rate: $0) }
            await on(index) { [loops, first = loads[0]] load in
                load.begin(
                    schedule, wakePublisher: index == 0 ? nil : { loops.execute(on: 0) { first.publish() } })
            }
            guard let schedule else { continue }
            let load = loads[index]
            let isWaiting = Flag()
            tickers.append(
                Ticker(schedule) { [loops] in
                    guard isWaiting.set() else { return }
                    loops.execute(on: index) {
                        isWaiting.clear()
                        load.tick()
                    }
                })
        }
        return tickers
    }

    // MARK: Opening and closing

    /// Opens one connection, to see whether there is a server at all; it is the first of the load.
    private func probe() async throws {
        if plan.mode == .connect {
            let socket = try await loops.open(plan.url, plan.client, on: 0) { _ in ProbeConnection() }
            _ = try await socket.close()
        } else {
            try await open(connection: 0)
        }
    }

    /// Opens the other connections.
    private func open() async {
        let numbers = Numbers(from: 1)
        await withTaskGroup { group in
            for _ in 0..<min(BenchRun.maximumOpening, plan.connections - 1) {
                group.addTask {
                    while !self.wasInterrupted {
                        let number = numbers.next()
                        guard number < self.plan.connections else { return }
                        do throws(WebSocketError) {
                            try await self.open(connection: number)
                        } catch {
                            if error.code == .cancelled { return }
                            await self.on(self.plan.loop(of: number)) { $0.note(error) }
                        }
                    }
                }
            }
        }
    }

    private func open(connection number: Int) async throws(WebSocketError) {
        let index = plan.loop(of: number)
        let load = loads[index]
        let capacity = plan.mode == .echo ? plan.inFlight : 1
        let start = System.monotonicTime()
        let isIdle = plan.mode == .idle
        let publishes = plan.mode == .publish && number == 0
        _ = try await loops.open(plan.url, plan.client, on: index) { _ in
            LoadConnection(load, capacity: capacity) { connection in
                if isIdle { load.noteOpened(since: start) }
                if publishes { load.choosePublisher(connection) }
            }
        }
    }

    /// Has all workers open connections and close them.
    private func reconnect() async {
        await withTaskGroup { group in
            for worker in 0..<plan.connections {
                let index = plan.loop(of: worker)
                group.addTask(executorPreference: loops.executors[index]) { await self.reconnect(on: index) }
            }
        }
    }

    /// Opens a connection and closes it, again and again; on its loop.
    private func reconnect(on index: Int) async {
        let load = loads[index]
        while !mustStopConnecting.load(ordering: .relaxed), !wasInterrupted {
            let start = System.monotonicTime()
            do {
                let socket = try await loops.open(plan.url, plan.client, on: index) { _ in
                    MomentaryConnection(load: load, start: start)
                }
                let outcome = try await socket.close()
                await on(index) { $0.noteClosed(outcome) }
            } catch {
                if error.code == .cancelled, wasInterrupted { return }
                await on(index) { $0.note(error) }
                try? await Task.sleep(for: BenchRun.pause)
            }
        }
    }

    /// Waits for what is on its way, and closes all connections.
    private func close() async {
        await wait { await self.onAll { $0.messagesInFlight }.allSatisfy { $0 == 0 } }
        _ = await onAll { $0.close() }
        await wait { await self.onAll { $0.openConnections }.allSatisfy { $0 == 0 } }
    }

    private func wait(_ isDone: () async -> Bool) async {
        let end = ContinuousClock.now.advanced(by: BenchRun.patience)
        while await !isDone(), ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
    }

    // MARK: Tools

    /// Sleeps, but not through an interruption.
    private func sleep(_ duration: Duration) async {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: duration)
        while !wasInterrupted {
            let rest = clock.now.duration(to: end)
            guard rest > .zero else { return }
            try? await clock.sleep(for: min(rest, .milliseconds(50)))
        }
    }

    /// Runs a function on a loop, with its load.
    @discardableResult
    private func on<Result: Sendable>(
        _ index: Int, _ body: @escaping @Sendable (LoadLoop) -> Result
    ) async -> Result {
        let load = loads[index]
        return await withUnsafeContinuation { continuation in
            loops.execute(on: index) { continuation.resume(returning: body(load)) }
        }
    }

    private func onAll<Result: Sendable>(_ body: @escaping @Sendable (LoadLoop) -> Result) async -> [Result] {
        var results: [Result] = []
        for index in 0..<plan.loops { results.append(await on(index, body)) }
        return results
    }
}

/// A moment of a loop's thread.
private struct LoopMoment: Sendable {
    private var time: UInt64
    private var worked: UInt64
    private var waited: UInt64

    /// This moment; on the loop.
    static var now: LoopMoment {
        LoopMoment(
            time: System.monotonicTime(), worked: System.threadTime(), waited: ProcessFigures.threadWaited ?? 0)
    }

    func seconds(since start: LoopMoment) -> Double { Double(time.subtractingSaturating(start.time)) / 1e9 }

    /// What the thread has done meanwhile.
    func share(since start: LoopMoment) -> LoopShare {
        guard time > start.time else { return LoopShare(worked: 0) }
        let elapsed = Double(time - start.time)
        return LoopShare(
            worked: Double(worked.subtractingSaturating(start.worked)) / elapsed,
            waited: Double(waited.subtractingSaturating(start.waited)) / elapsed)
    }
}

/// Whether something is under way.
private final class Flag: Sendable {
    private let value = Atomic(false)

    /// - Returns: Whether it was not set.
    func set() -> Bool { !value.exchange(true, ordering: .acquiringAndReleasing) }

    func clear() { value.store(false, ordering: .releasing) }
}

/// Numbers, each of which is drawn once.
private final class Numbers: Sendable {
    private let value: Atomic<Int>

    init(from first: Int) {
        value = Atomic(first)
    }

    func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).oldValue }
}

/// A connection that only shows that one can be opened.
private struct ProbeConnection: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {}
}
