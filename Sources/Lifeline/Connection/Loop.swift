package import LifelineCore
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What the connections of one event loop share: randomness, deadlines, buffers, and their handlers' jobs,
/// whose executor it is.
///
/// Everything happens in *turns*. A turn begins when the engine brings something (bytes, a deadline, a job from another
/// thread), runs the handlers that it made ready, and ends by writing all output that came of it: one write a
/// connection, however many frames.
///
/// `@unchecked Sendable`: all state but `driver`, `jobs` and `thread`, which are Sendable, is touched on the loop's own
/// thread only, and is not checked for exclusive access at run time. Every entry is either called by the engine there, or asks ``isOnLoop`` first.
package final class Loop: TaskExecutor, @unchecked Sendable {
    package let driver: any LoopDriver
    let jobs = LoopJobs()

    @exclusivity(unchecked) package var random: RandomPool
    /// Where large messages are put together.
    package let memory = MemoryPool()
    @exclusivity(unchecked) private var deadlines = DeadlineTable()
    /// The instant for which the engine was asked to wake us.
    @exclusivity(unchecked) private var nextWake = MonotonicInstant(nanoseconds: .max)

    /// Connections that have ended, until the loop comes round.
    @exclusivity(unchecked) private var removed: [Connection] = []
    /// What is left of the turn of the connection that is at work.
    @exclusivity(unchecked) private var work = WorkBudget()
    /// Connections that have input left, in the order in which they go on.
    @exclusivity(unchecked) private var waiting: [Connection] = []
    /// How many connections the current round resumes, without the one that is being resumed.
    @exclusivity(unchecked) private var resuming = 0
    /// Connections with output that is to be written at the end of the turn.
    @exclusivity(unchecked) private var dirty: [Connection] = []
    /// How many of them have been written before the end of the turn.
    @exclusivity(unchecked) private var written = 0
    @exclusivity(unchecked) private var depth = 0
    /// Blocks for output, lent to connections while they have some.
    @exclusivity(unchecked) private var spareBlocks: [OutputBlock] = []
    /// The thread that runs the loop, where the loop has one for itself; 0 where it has not, or has not begun.
    private let thread = Atomic<UInt>(0)

    /// How often a turn runs jobs again that its own output made ready, before the engine gets its turn.
    private static let maximumRounds = 16

    /// The most connections whose output waits for the end of a turn: one that reaches thousands writes them as it goes,
    /// always from the same few blocks.
    private static let maximumDirty = 32

    /// The longest for which connections go on with their input before the sockets are looked at again.
    private static let maximumResuming = Duration.milliseconds(4)

    /// The capacity of a fresh output block, in bytes.
    private static let blockCapacity = 8 << 10
    /// The most spare blocks, and the most bytes of one that is kept.
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

    /// Takes a job of a handler's, from wherever.
    package func enqueue(_ job: consuming ExecutorJob) {
        jobs.enqueue(UnownedJob(job), self)
    }

    deinit {
        for block in spareBlocks { block.deallocate() }
    }

    /// Notes that the current thread runs this loop, and nothing else, from now on.
    func bindToCurrentThread() {
        thread.store(Loop.currentThread, ordering: .relaxed)
    }

    /// Notes that the thread has ended; another may get its number.
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

    /// Whether the loop's thread has ended, so that nothing of the loop's is in use any more.
    private var hasEnded: Bool { thread.load(ordering: .relaxed) == .max }

    /// Debug builds end here where the caller is not on the loop: what belongs to a loop is touched there alone.
    @inline(__always)
    func assertOnLoop() {
        assert(isOnLoop || hasEnded, "this belongs to an event loop, and is touched elsewhere")
    }

    /// Runs a function on the loop: at once where the caller is there, soon otherwise.
    func execute(_ work: @escaping @Sendable () -> Void) {
        if isOnLoop { work() } else { driver.execute(work) }
    }

    // MARK: Turns

    /// Begins a turn, or a part of the one that is under way.
    @inline(__always)
    package func beginTurn() {
        assertOnLoop()
        if depth == 0 { jobs.beginTurn() }
        depth &+= 1
    }

    /// Runs the handlers that have been made ready so far.
    @inline(__always)
    func runReadyJobs() {
        assertOnLoop()
        if depth == 1 { jobs.drain(self) }
    }

    /// Ends a turn: runs what is ready, and writes all output.
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
            // What a peer keeps up that takes everything at once goes on when the others have had their turn.
            if !dirty.isEmpty { driver.executeNextRound { self.runTurn() } }
        }
        depth &-= 1
    }

    /// A turn for jobs that came from outside of one.
    func runJobs() {
        beginTurn()
        jobs.collectMail()
        endTurn()
    }

    /// Has a connection's output written at the end of the turn; outside of a turn, at the end of one that begins soon.
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

    /// Writes all output. What is written can make a transport report back, and that can make more output, which is left
    /// for the next round.
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

    /// Writes what has gathered, in the middle of a turn; everything else about those connections is left for its end.
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
        work.begin()
    }

    /// Whether the connection whose turn it is has had it.
    @inline(__always)
    var workIsSpent: Bool { work.isSpent }

    /// Counts work for the connection whose turn it is.
    @inline(__always)
    func spend(_ amount: Int) {
        if work.spend(amount) { work.takeQuantum(at: driver.now(), rivals: max(waiting.count, resuming)) }
    }

    /// Ends the turn of a connection, whatever it has left.
    func endWork() {
        work.end()
    }

    /// Has a connection go on with its input when others have had their turn.
    func resumeSoon(_ connection: Connection) {
        assertOnLoop()
        waiting.append(connection)
        if waiting.count == 1 { driver.executeNextRound { self.resumeWaiting() } }
    }

    /// Gives connections another turn each, for as long as the sockets can wait for it.
    private func resumeWaiting() {
        assertOnLoop()
        let batch = waiting
        waiting = []
        resuming = batch.count - 1
        defer { resuming = 0 }
        let began = driver.now()
        var next = 0
        while next < batch.count, next == 0 || driver.now().duration(since: began) < Loop.maximumResuming {
            batch[next].resumeInput()
            next += 1
        }
        guard next < batch.count else { return }
        // Those whose turn has not come are before those who have had theirs.
        let mustAsk = waiting.isEmpty
        waiting = batch[next...] + waiting
        if mustAsk { driver.executeNextRound { self.resumeWaiting() } }
    }

    // MARK: Blocks

    /// An empty block for output.
    @inline(__always)
    func takeBlock() -> OutputBlock {
        assertOnLoop()
        return spareBlocks.popLast() ?? OutputBlock(capacity: Loop.blockCapacity)
    }

    /// Takes a block back that has been written.
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

    /// Removes a connection. Whoever called it, down to the engine, may still refer to it until the loop comes round: then it
    /// is freed, here and nowhere else.
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

    /// Called by the engine at the instant it was asked for.
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
        // Deadlines far off are rounded up to a quarter of a second, so that thousands of them share one sweep.
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
