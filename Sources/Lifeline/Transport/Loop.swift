import LifelineCore
import NIOCore

/// What the connections of one event loop share: randomness, deadlines, buffers, and the executor of their handlers.
///
/// Everything happens in *turns*. A turn begins when the engine brings something (bytes, a deadline, a job from another
/// thread), runs the handlers that it made ready, and ends by writing all output that came of it: one write a
/// connection, however many frames.
///
/// `@unchecked Sendable`: all state but `driver` and `executor`, which are Sendable, is touched on the loop's own thread
/// only. Every entry is either called by the engine there, or asks ``isOnLoop`` first.
final class Loop: @unchecked Sendable {
    let driver: any LoopDriver
    let executor: LoopExecutor

    var random: RandomPool
    private var deadlines = DeadlineTable()
    /// The instant for which the engine was asked to wake us.
    private var nextWake = Instant(nanoseconds: .max)

    /// Connections with output that is to be written at the end of the turn.
    private var dirty: [Connection] = []
    private var depth = 0
    /// Buffers for output, lent to connections while they have some.
    private var spareBuffers: [ByteBuffer] = []

    /// How often a turn runs jobs again that its own output made ready, before the engine gets its turn.
    private static let maximumRounds = 16

    /// The capacity of a fresh output buffer, in bytes.
    private static let bufferCapacity = 8 << 10
    /// The most spare buffers, and the most bytes of one that is kept.
    private static let maximumSpareBuffers = 8
    private static let maximumSpareCapacity = 256 << 10

    init(driver: any LoopDriver, random: consuming RandomPool = RandomPool()) {
        self.driver = driver
        self.random = random
        executor = LoopExecutor(driver: driver)
        executor.setTurn { [weak self] in self?.runJobs() }
    }

    @inline(__always)
    var isOnLoop: Bool { driver.isOnLoop }

    /// Runs a function on the loop: at once where the caller is there, soon otherwise.
    func execute(_ work: @escaping @Sendable () -> Void) {
        if isOnLoop { work() } else { driver.execute(work) }
    }

    // MARK: Turns

    /// Begins a turn, or a part of the one that is under way.
    @inline(__always)
    func beginTurn() {
        if depth == 0 { executor.beginTurn() }
        depth &+= 1
    }

    /// Runs the handlers that have been made ready so far.
    @inline(__always)
    func runReadyJobs() {
        if depth == 1 { executor.drain() }
    }

    /// Ends a turn: runs what is ready, and writes all output.
    @inline(__always)
    func endTurn() {
        if depth == 1 {
            var rounds = 0
            repeat {
                executor.drain()
                flush()
                rounds &+= 1
            } while executor.hasJobs && rounds < Loop.maximumRounds
            executor.endTurn()
        }
        depth &-= 1
    }

    /// A turn for jobs that came from outside of one.
    private func runJobs() {
        beginTurn()
        executor.collectMail()
        endTurn()
    }

    /// Has a connection's output written at the end of the turn; outside of a turn, at the end of one that begins soon.
    @inline(__always)
    func markDirty(_ connection: Connection) {
        dirty.append(connection)
        if depth == 0, dirty.count == 1 {
            driver.execute { [self] in
                beginTurn()
                endTurn()
            }
        }
    }

    /// Writes all output. What is written can make a transport report back, and that can make more output.
    private func flush() {
        var next = 0
        while next < dirty.count {
            let connection = dirty[next]
            next += 1
            connection.endTurn()
        }
        dirty.removeAll(keepingCapacity: true)
    }

    // MARK: Buffers

    /// An empty buffer for output.
    @inline(__always)
    func takeBuffer() -> ByteBuffer {
        guard var buffer = spareBuffers.popLast() else {
            return ByteBufferAllocator().buffer(capacity: Loop.bufferCapacity)
        }
        // Fresh memory where the engine still holds the old, the same memory otherwise.
        buffer.clear()
        return buffer
    }

    /// Takes a buffer back whose content has been handed to the transport.
    @inline(__always)
    func returnBuffer(_ buffer: consuming ByteBuffer) {
        if spareBuffers.count < Loop.maximumSpareBuffers, buffer.capacity <= Loop.maximumSpareCapacity {
            spareBuffers.append(buffer)
        }
    }

    // MARK: Deadlines

    /// Adds a connection.
    func insert(_ connection: Connection) {
        connection.deadlinePlace = deadlines.insert(connection)
    }

    /// Removes a connection.
    func remove(_ connection: Connection) {
        guard connection.deadlinePlace >= 0 else { return }
        deadlines.remove(at: connection.deadlinePlace)
        connection.deadlinePlace = -1
    }

    /// All connections of the loop.
    var connections: ContiguousArray<Connection> { deadlines.all }

    /// Sets a connection's deadline.
    func setDeadline(_ deadline: Instant?, of connection: Connection) {
        guard connection.deadlinePlace >= 0 else { return }
        deadlines.set(deadline, at: connection.deadlinePlace)
        if let deadline { wake(at: deadline) }
    }

    /// Called by the engine at the instant it was asked for.
    func timersAreDue() {
        nextWake = Instant(nanoseconds: .max)
        let now = driver.now()
        beginTurn()
        for connection in deadlines.takeDue(at: now) { connection.deadlineIsDue(at: now) }
        endTurn()
        if let earliest = deadlines.earliest { wake(at: earliest) }
    }

    private func wake(at deadline: Instant) {
        // Deadlines far off are rounded up to a quarter of a second, so that thousands of them share one sweep.
        let now = driver.now().nanoseconds
        let distance = deadline.nanoseconds - now
        let grain: Int64 = distance > 1_000_000_000 ? 250_000_000 : distance > 100_000_000 ? 10_000_000 : 1_000_000
        let (rounded, overflow) = deadline.nanoseconds.addingReportingOverflow(grain - deadline.nanoseconds % grain)
        let instant = Instant(nanoseconds: overflow ? .max : rounded)
        guard instant < nextWake else { return }
        nextWake = instant
        driver.wake(at: instant, self)
    }
}
