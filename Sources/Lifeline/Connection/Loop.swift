import DequeModule
package import LifelineCore
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What the connections of one event loop share: randomness, deadlines, buffers, and the executor of their handlers.
///
/// Everything happens in *turns*. A turn begins with an event from the engine (bytes, a deadline, a job from another thread),
/// runs the handlers that the event made ready, and ends by writing all resulting output: one write for each connection,
/// however many frames.
///
/// `@unchecked Sendable`: all state but `driver`, `jobs` and `thread`, which are Sendable, is confined to the loop's own
/// thread, and is not checked for exclusive access at run time. Every entry asserts that it is on the loop, or asks
/// ``isOnLoop`` first.
package final class Loop: TaskExecutor, @unchecked Sendable {
    package let driver: any LoopDriver
    let jobs = LoopJobs()

    @exclusivity(unchecked) package var random: RandomPool
    /// The memory in which large messages are assembled.
    package let memory = MemoryPool()
    @exclusivity(unchecked) private var deadlines = DeadlineTable()
    /// When the engine is going to call ``timersAreDue()``.
    @exclusivity(unchecked) private var nextWake = MonotonicInstant(nanoseconds: .max)

    /// Connections that have ended, until the end of the turn.
    @exclusivity(unchecked) private var removed: [Connection] = []
    /// The work that the current connection may still do before the others have their turn.
    @exclusivity(unchecked) private var work = WorkBudget()
    /// Connections that have input left, in the order in which they go on with it.
    @exclusivity(unchecked) private var waiting = Deque<Connection>()
    /// Whether the engine has been asked to call ``resumeWaiting()``.
    @exclusivity(unchecked) private var roundIsScheduled = false
    /// Connections whose output is written at the end of the turn.
    @exclusivity(unchecked) private var dirty: [Connection] = []
    /// How many connections of `dirty` have been written before the end of the turn.
    @exclusivity(unchecked) private var written = 0
    @exclusivity(unchecked) private var depth = 0
    /// Empty blocks, which connections borrow while they have output.
    @exclusivity(unchecked) private var spareBlocks: [OutputBlock] = []
    /// The thread that runs this loop and nothing else; 0 if there is none (SwiftNIO, the simulation) or none yet.
    private let thread = Atomic<UInt>(0)

    /// How often a turn runs jobs that its own output made ready, before the engine polls again.
    private static let maximumRounds = 16

    /// The most connections whose output waits for the end of a turn. A turn that sends to thousands writes as it goes, and
    /// uses the same few blocks again and again.
    private static let maximumDirty = 32

    /// How long connections go on with their input before the sockets are polled again.
    private static let maximumResuming = Duration.milliseconds(4)

    /// The capacity of a fresh output block, in bytes.
    private static let blockCapacity = 8 << 10
    /// The most spare blocks that are kept, and the largest of them, in bytes.
    private static let maximumSpareBlocks = 40
    private static let maximumSpareCapacity = 256 << 10

    package init(driver: any LoopDriver, random: consuming RandomPool = .system()) {
        self.driver = driver
        self.random = random
        assert(confineMemory())
    }

    /// Has the pool check, in debug builds, that it is used on the loop.
    private func confineMemory() -> Bool {
        memory.confinement = { [unowned(unsafe) self] in isOnLoop || hasEnded }
        return true
    }

    /// Enqueues a handler's job, from any thread.
    package func enqueue(_ job: consuming ExecutorJob) {
        jobs.enqueue(UnownedJob(job), self)
    }

    deinit {
        for block in spareBlocks { block.deallocate() }
    }

    /// Records that the current thread runs this loop, and nothing else, from now on.
    func bindToCurrentThread() {
        thread.store(Loop.currentThread, ordering: .relaxed)
    }

    /// Records that the thread has ended. Another thread may get its number.
    func unbind() {
        thread.store(.max, ordering: .relaxed)
    }

    /// Whether the current thread is the one that the loop was bound to.
    var isBoundToCurrentThread: Bool { thread.load(ordering: .relaxed) == Loop.currentThread }

    @inline(__always)
    private static var currentThread: UInt {
        #if canImport(Glibc)
        UInt(pthread_self())
        #else
        UInt(bitPattern: pthread_self())
        #endif
    }

    @inline(__always)
    package var isOnLoop: Bool {
        let thread = thread.load(ordering: .relaxed)
        return thread == 0 ? driver.isOnLoop : thread == Loop.currentThread
    }

    /// Whether the loop's thread has ended, so that no state of the loop is in use any more.
    private var hasEnded: Bool { thread.load(ordering: .relaxed) == .max }

    /// Asserts, in debug builds, that the caller is on the loop.
    @inline(__always)
    func assertOnLoop() {
        assert(isOnLoop || hasEnded, "called off the event loop to which this is confined")
    }

    /// Runs a function on the loop: at once if the caller is on it, otherwise soon.
    func execute(_ work: @escaping @Sendable () -> Void) {
        if isOnLoop { work() } else { driver.execute(work) }
    }

    // MARK: Turns

    /// Begins a turn, or a nested part of the current one.
    @inline(__always)
    package func beginTurn() {
        assertOnLoop()
        if depth == 0 { jobs.beginTurn() }
        depth &+= 1
    }

    /// Runs the handlers that are ready.
    @inline(__always)
    func runReadyJobs() {
        assertOnLoop()
        if depth == 1 { jobs.drain(self) }
    }

    /// Ends a turn: runs the handlers that are ready, and writes all output.
    @inline(__always)
    package func endTurn() {
        assertOnLoop()
        if depth == 1 {
            var rounds = 0
            repeat {
                jobs.drain(self)
                flush()
                rounds &+= 1
            } while (jobs.hasJobs || !dirty.isEmpty) && rounds < Loop.maximumRounds
            jobs.endTurn(self)
            // A peer that reads everything at once can keep a turn going; the rest waits until the others have had theirs.
            if !dirty.isEmpty { driver.executeNextRound { self.runTurn() } }
        }
        depth &-= 1
    }

    /// Runs a turn for jobs that were enqueued outside of one.
    func runJobs() {
        beginTurn()
        jobs.collectMail()
        endTurn()
    }

    /// Has a connection's `endTurn` called at the end of the turn. Outside of a turn, starts one soon.
    @inline(__always)
    func markDirty(_ connection: Connection) {
        assertOnLoop()
        if dirty.count &- written >= Loop.maximumDirty { writeEarly() }
        dirty.append(connection)
        if depth == 0, dirty.count == 1 { runTurnSoon() }
    }

    private func runTurnSoon() {
        driver.execute { self.runTurn() }
    }

    private func runTurn() {
        beginTurn()
        endTurn()
    }

    /// Writes all output. A transport may report back and cause more output, which is written in the next round.
    @inline(__always)
    private func flush() {
        guard !dirty.isEmpty else { return }
        if dirty.count == 1 {
            let connection = dirty.removeLast()
            written = 0
            connection.endTurn()
        } else {
            flushMany()
        }
    }

    private func flushMany() {
        let count = dirty.count
        for next in 0..<count { dirty[next].endTurn() }
        dirty.removeFirst(count)
        written = max(written - count, 0)
    }

    /// Writes the output so far in the middle of a turn. Everything else about those connections waits for its end.
    @inline(never)
    private func writeEarly() {
        while written < dirty.count {
            dirty[written].flush()
            written += 1
        }
        driver.pushOut()
    }

    // MARK: Work

    /// Begins a connection's turn.
    @inline(__always)
    func beginWork() {
        assertOnLoop()
        work.begin()
    }

    /// Whether the turn of the current connection is over.
    @inline(__always)
    var workIsSpent: Bool { work.isSpent }

    /// Counts work of the current connection.
    @inline(__always)
    func spend(_ amount: Int) {
        if work.spend(amount) { work.takeQuantum(at: driver.now(), rivals: waiting.count) }
    }

    /// Ends the turn of the current connection early.
    func endWork() {
        work.end()
    }

    /// Has a connection go on with its input when the others have had their turn.
    func resumeSoon(_ connection: Connection) {
        assertOnLoop()
        waiting.append(connection)
        scheduleRound()
    }

    private func scheduleRound() {
        guard !roundIsScheduled else { return }
        roundIsScheduled = true
        driver.executeNextRound { self.resumeWaiting() }
    }

    /// Gives each connection that waits one turn, for at most ``maximumResuming``.
    private func resumeWaiting() {
        assertOnLoop()
        roundIsScheduled = false
        let began = driver.now()
        // Connections that wait again afterwards go to the back of the queue, for the next round.
        for turn in 0..<waiting.count {
            if turn > 0, began.duration(to: driver.now()) >= Loop.maximumResuming { break }
            waiting.removeFirst().resumeInput()
        }
        if !waiting.isEmpty { scheduleRound() }
    }

    // MARK: Blocks

    /// Lends an empty block for output. It comes back with ``recycle(_:)``.
    @inline(__always)
    func takeBlock() -> OutputBlock {
        assertOnLoop()
        return spareBlocks.popLast() ?? OutputBlock(capacity: Loop.blockCapacity)
    }

    /// Takes back a block that has been written.
    @inline(__always)
    package func recycle(_ block: consuming OutputBlock) {
        assertOnLoop()
        if spareBlocks.count < Loop.maximumSpareBlocks, block.capacity <= Loop.maximumSpareCapacity {
            block.clear()
            spareBlocks.append(block)
        } else {
            block.deallocate()
        }
    }

    // MARK: Deadlines

    /// Adds a connection, which the loop keeps alive until it is removed.
    func insert(_ connection: Connection) {
        assertOnLoop()
        connection.deadlinePlace = deadlines.insert(connection)
    }

    /// Removes a connection. Its callers may still refer to it, so it is freed between turns, and nowhere else.
    func remove(_ connection: Connection) {
        assertOnLoop()
        guard connection.deadlinePlace >= 0 else { return }
        deadlines.remove(at: connection.deadlinePlace)
        connection.deadlinePlace = -1
        removed.append(connection)
        if removed.count == 1 { driver.execute { self.freeRemoved() } }
    }

    private func freeRemoved() {
        assertOnLoop()
        assert(depth == 0, "connections are freed between turns")
        removed.removeAll(keepingCapacity: removed.count <= Loop.maximumSpareBlocks)
    }

    /// All connections of the loop.
    package var connections: ContiguousArray<Connection> { deadlines.all }

    /// Sets a connection's deadline.
    func setDeadline(_ deadline: MonotonicInstant?, of connection: Connection) {
        assertOnLoop()
        guard connection.deadlinePlace >= 0 else { return }
        deadlines.set(deadline, at: connection.deadlinePlace)
        if let deadline { wake(at: deadline) }
    }

    /// Runs the deadlines that are due. The engine calls it at the instant that the loop asked for.
    package func timersAreDue() {
        assertOnLoop()
        nextWake = MonotonicInstant(nanoseconds: .max)
        let now = driver.now()
        beginTurn()
        for connection in deadlines.takeDue(at: now) { connection.deadlineIsDue(at: now) }
        endTurn()
        if let earliest = deadlines.earliest { wake(at: earliest) }
    }

    private func wake(at deadline: MonotonicInstant) {
        // Distant deadlines are rounded up to a quarter of a second, so that thousands of them share one sweep.
        let now = driver.now().nanoseconds
        let distance = deadline.nanoseconds - now
        let grain: Int64 = distance > 1_000_000_000 ? 250_000_000 : distance > 100_000_000 ? 10_000_000 : 1_000_000
        let (rounded, overflow) = deadline.nanoseconds.addingReportingOverflow(grain - deadline.nanoseconds % grain)
        let instant = MonotonicInstant(nanoseconds: overflow ? .max : rounded)
        guard instant < nextWake else { return }
        nextWake = instant
        driver.wake(at: instant, self)
    }
}
