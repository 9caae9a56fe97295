import Lifeline
import LifelineLocks
import Synchronization

/// One run of the load generator, from the first connection to the last.
final class BenchRun: Sendable {
    /// The most connections that open at the same time, so that no server's queue overflows.
    private static let maximumOpening = 64
    /// How long the last echoes may take, and the closing handshakes after them.
    private static let endTimeout = Duration.seconds(2)
    /// The pause after a failed attempt to connect.
    private static let pause = Duration.milliseconds(10)

    private let plan: BenchPlan
    private let loops: ClientLoops
    private let loads: [LoadLoop]
    private let progress: Progress?
    private let isInterrupted = Atomic(false)
    private let mustStopConnecting = Atomic(false)
    /// The task that opens the first connections.
    private let opening = Lock<Task<Void, any Error>?>(nil)

    /// - Parameter progress: Shows each second's figures, or `nil` to show none.
    init(_ plan: BenchPlan, progress: Progress?) throws(WebSocketError) {
        self.plan = plan
        self.progress = progress
        loops = try ClientLoops(plan.client.engine, count: plan.loops, usesTLS: plan.url.isSecure)
        let progress = plan.mode == .publish ? BroadcastProgress() : nil
        loads = (0..<plan.loops).map { _ in LoadLoop(plan, progress) }
    }

    /// Ends the run early. The report has what was measured until then.
    func interrupt() {
        isInterrupted.store(true, ordering: .relaxed)
        opening.withLock { $0 }?.cancel()
    }

    /// Starts a task that ``interrupt()`` cancels.
    private func begin(_ body: @escaping @Sendable () async throws -> Void) -> Task<Void, any Error> {
        let task = Task { try await body() }
        opening.withLock { $0 = task }
        // The interruption may have come before.
        if wasInterrupted { task.cancel() }
        return task
    }

    private var wasInterrupted: Bool { isInterrupted.load(ordering: .relaxed) }

    // MARK: The run

    /// Runs the benchmark.
    ///
    /// - Returns: The report, or `nil` if the run was interrupted before the measurement began.
    /// - Throws: `WebSocketError` if the first connection cannot be opened.
    func run() async throws -> BenchReport? {
        var report = BenchReport(plan, engine: loops.engineName)
        report.memoryBefore = plan.process.flatMap { ProcessFigures.memory(of: $0) }
        report.serverBefore = plan.process.flatMap { ProcessFigures.time(of: $0) }
        do {
            try await begin { try await self.probe() }.value
        } catch let error as WebSocketError where error.code == .cancelled {
            return nil
        }
        if plan.mode == .connect {
            let workers = Task { await self.reconnect() }
            await measure(&report)
            mustStopConnecting.store(true, ordering: .relaxed)
            let timeout = Task {
                if !self.wasInterrupted { try await Task.sleep(for: BenchRun.endTimeout) }
                workers.cancel()
            }
            await workers.value
            timeout.cancel()
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
            // Drops what was counted while warming up. Idle connections are counted as they open.
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

    /// Lets the load run, and collects its counts each second.
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

    /// Starts the load on all loops.
    private func beginLoad() async -> [Ticker] {
        // A little later, so that no loop starts behind its schedule.
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

    /// Opens the first connection, to find out whether there is a server.
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

    /// Opens and closes connections with as many workers as there are connections.
    private func reconnect() async {
        await withTaskGroup { group in
            for worker in 0..<plan.connections {
                let index = plan.loop(of: worker)
                group.addTask(executorPreference: loops.executors[index]) { await self.reconnect(on: index) }
            }
        }
    }

    /// Opens and closes connections on a loop, one after the other.
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

    /// Waits for the messages in flight, and closes all connections.
    private func close() async {
        await wait { await self.onAll { $0.messagesInFlight }.allSatisfy { $0 == 0 } }
        _ = await onAll { $0.close() }
        await wait { await self.onAll { $0.openConnections }.allSatisfy { $0 == 0 } }
    }

    private func wait(_ isDone: () async -> Bool) async {
        let end = ContinuousClock.now.advanced(by: BenchRun.endTimeout)
        while await !isDone(), ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
    }

    // MARK: Tools

    /// Sleeps. Returns early when the run is interrupted.
    private func sleep(_ duration: Duration) async {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: duration)
        while !wasInterrupted {
            let rest = clock.now.duration(to: end)
            guard rest > .zero else { return }
            try? await clock.sleep(for: min(rest, .milliseconds(50)))
        }
    }

    /// Runs a function on a loop.
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

/// The clocks of a loop's thread at a moment.
private struct LoopMoment: Sendable {
    private var time: UInt64
    private var worked: UInt64
    private var waited: UInt64

    /// The current moment. Called on the loop.
    static var now: LoopMoment {
        LoopMoment(
            time: System.monotonicTime(), worked: System.threadTime(), waited: ProcessFigures.threadWaited ?? 0)
    }

    func seconds(since start: LoopMoment) -> Double { Double(time.subtractingSaturating(start.time)) / 1e9 }

    /// The thread's load since an earlier moment.
    func share(since start: LoopMoment) -> LoopShare {
        guard time > start.time else { return LoopShare(worked: 0) }
        let elapsed = Double(time - start.time)
        return LoopShare(
            worked: Double(worked.subtractingSaturating(start.worked)) / elapsed,
            waited: Double(waited.subtractingSaturating(start.waited)) / elapsed)
    }
}

/// A flag that threads share.
private final class Flag: Sendable {
    private let value = Atomic(false)

    /// Sets the flag.
    ///
    /// - Returns: Whether it was clear before.
    func set() -> Bool { !value.exchange(true, ordering: .acquiringAndReleasing) }

    func clear() { value.store(false, ordering: .releasing) }
}

/// A counter that threads share.
private final class Numbers: Sendable {
    private let value: Atomic<Int>

    init(from first: Int) {
        value = Atomic(first)
    }

    func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).oldValue }
}

/// A connection that finds out whether there is a server.
private struct ProbeConnection: OnLoopHandler {
    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {}
}
