import LifelineCore
import NIOCore
import Synchronization

/// A reference to a connection that any thread may hold.
///
/// The loop owns its connections and everything in them. `Connection` is not Sendable, so the compiler prevents it from
/// being used on another thread. A handle is Sendable, and gives access to the connection on the loop only. It owns
/// none of the loop's memory: releasing the last handle, on any thread, frees only the handle and what is left of an
/// ended connection.
///
/// When a connection ends, its handle drops the reference to it and keeps an ``EndedConnection`` instead.
///
/// `@unchecked Sendable`: `loop` and `id` are immutable and `closing` is atomic; everything else is accessed on the
/// loop only, which debug builds assert.
final class ConnectionHandle: @unchecked Sendable {
    let loop: Loop
    let id: UInt64
    /// The connection; `nil` once it has ended. The loop keeps it alive at least until the current call on the loop
    /// returns.
    @exclusivity(unchecked) private var reference: Unmanaged<Connection>?
    private let closing: Atomic<Bool>
    /// What is left of the connection once it has ended.
    @exclusivity(unchecked) private var ended: EndedConnection?

    init(_ connection: Connection) {
        loop = connection.loop
        id = connection.id
        reference = .passUnretained(connection)
        closing = Atomic(connection.endpoint.pointee.phase != .open && connection.endpoint.pointee.phase != .opening)
    }

    /// Whether the closing handshake has begun or the connection has ended, so that no more messages are sent; from any
    /// thread.
    var isClosing: Bool { closing.load(ordering: .relaxed) }

    /// Sets ``isClosing``; on the loop.
    func noteClosing() {
        closing.store(true, ordering: .relaxed)
    }

    /// Calls a function with the connection; on the loop.
    ///
    /// The connection must not escape from the function.
    ///
    /// - Returns: What `body` returned, or `nil` if the connection has ended.
    @inline(__always)
    func withConnection<Result>(_ body: (Connection) -> Result) -> Result? {
        loop.assertOnLoop()
        return reference?._withUnsafeGuaranteedRef(body)
    }

    /// Whether the connection has ended; on the loop.
    @inline(__always)
    var hasEnded: Bool {
        loop.assertOnLoop()
        return reference == nil
    }

    /// How the connection ended; `nil` while it is open. On the loop.
    var outcome: CloseOutcome? {
        if let outcome = withConnection({ $0.outcome }) { return outcome }
        return ended?.outcome
    }

    /// The compression statistics; on the loop.
    var compressionStatistics: CompressionStatistics {
        withConnection { $0.compressionStatistics } ?? ended?.compressionStatistics ?? CompressionStatistics()
    }

    /// The last round-trip time; on the loop.
    var roundTripTime: Duration? {
        if let time = withConnection({ $0.endpoint.pointee.roundTripTime }) { return time }
        return ended?.roundTripTime
    }

    /// Takes the next message, or part of one, that arrived before the connection ended; on the loop.
    func takeUnread(whole: Bool) -> Inbox.Item? {
        loop.assertOnLoop()
        guard let ended else { return nil }
        while let item = ended.inbox.popFirst() {
            guard whole else { return item }
            if let whole = Connection.join(item, &ended.partial) { return whole }
        }
        return nil
    }

    /// Drops the reference to the connection, which has ended; on the loop.
    func end(_ ended: EndedConnection) {
        loop.assertOnLoop()
        assert(reference != nil, "a connection ends once")
        reference = nil
        self.ended = ended
    }

    // MARK: From any thread

    /// Runs a function with the connection on the loop: immediately if the caller is on the loop, otherwise later. Does
    /// nothing if the connection has ended by then.
    func execute(_ body: @escaping @Sendable (Connection) -> Void) {
        loop.execute { _ = self.withConnection(body) }
    }

    /// Runs a function with the connection on the loop, always later. Does nothing if the connection has ended by then.
    func executeSoon(_ body: @escaping @Sendable (Connection) -> Void) {
        loop.driver.execute { _ = self.withConnection(body) }
    }

    /// Calls a function on the loop and returns its result.
    func onLoop<Value: Sendable>(_ read: @escaping @Sendable (ConnectionHandle) -> Value) async -> Value {
        await withUnsafeContinuation { continuation in
            loop.execute { continuation.resume(returning: read(self)) }
        }
    }

    func outcomeOffLoop() async -> CloseOutcome? {
        await onLoop { $0.outcome }
    }

    /// Waits until TCP has ended. Cancelling the task does not end the wait. It needs no timeout, because each step of
    /// ending a connection has one.
    nonisolated(nonsending) func waitForTermination() async {
        await withUnsafeContinuation { continuation in
            loop.execute {
                let waits: Void? = self.withConnection { $0.terminationWaiters.append(continuation) }
                if waits == nil { continuation.resume() }
            }
        }
    }

    // MARK: Receiving

    /// Waits until `Connection.pull()` has something or the task is cancelled; on the loop, in the server's handler
    /// task.
    @inline(__always)
    nonisolated(nonsending) func waitForOwnMessage() async {
        await withUnsafeContinuation { wait($0) }
    }

    /// Waits until `Connection.pull()` has something or the task is cancelled; on the loop.
    @inline(never)
    nonisolated(nonsending) func waitForMessage() async throws(WebSocketError) {
        try checkNobodyReceives()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { wait($0) }
        } onCancel: {
            executeSoon { $0.cancelReceive() }
        }
        try checkCancellation()
    }

    /// Resumes a continuation when there is something to pull or the wait is cancelled.
    @inline(never)
    private func wait(_ continuation: UnsafeContinuation<Void, Never>) {
        guard loop.isOnLoop else {
            // The task is alive while it waits.
            nonisolated(unsafe) let task = withUnsafeCurrentTask { $0 }
            return loop.driver.execute { self.wait(continuation, isCancelled: task?.isCancelled ?? false) }
        }
        wait(continuation, isCancelled: Task.isCancelled)
    }

    private func wait(_ continuation: UnsafeContinuation<Void, Never>, isCancelled: Bool) {
        let waits: Void? = withConnection { $0.wait(continuation, isCancelled: isCancelled) }
        if waits == nil { continuation.resume() }
    }

    /// Throws if another task waits for a message.
    func checkNobodyReceives() throws(WebSocketError) {
        // A task of an actor that has left the loop checks again on the loop before it waits.
        guard loop.isOnLoop, withConnection({ $0.hasReceiver }) == true else { return }
        throw .concurrentReceive
    }

    /// Throws if the task has been cancelled and no message is ready for it.
    func checkCancellation() throws(WebSocketError) {
        // A borrowed message belongs to this task, and can be taken on the loop only.
        guard Task.isCancelled else { return }
        if loop.isOnLoop, withConnection({ $0.borrowed != nil }) == true { return }
        throw .cancelled
    }

    /// Receives the next message, or part of one, for a task that does not run on the loop; returns `nil` after the
    /// last.
    ///
    /// - Parameter deadline: The instant at which the wait ends with ``WebSocketError/Code/timedOut``; `nil` for no
    ///   limit.
    func receiveOffLoop(whole: Bool, deadline: MonotonicInstant? = nil) async throws(WebSocketError) -> Inbox.Item? {
        let wait = Wait()
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: Connection.OffLoopContinuation) in
                loop.driver.execute {
                    let waits: Void? = self.withConnection {
                        $0.receive(wait, whole: whole, deadline: deadline, continuation)
                    }
                    if waits == nil { continuation.resume(returning: .success(self.takeUnread(whole: whole))) }
                }
            }
        } onCancel: {
            wait.cancel()
            executeSoon { $0.cancelReceive(wait) }
        }
        return try result.get()
    }

    // MARK: Sending

    /// Sends a frame once the transport is writable, or only waits if the frame is `nil`; on the loop.
    nonisolated(nonsending) func sendWhenWritable(_ frame: OutboundFrame?) async throws(WebSocketError) {
        let wait = Wait()
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: Outbox.Completion) in
                submit(frame, wait, continuation)
            }
        } onCancel: {
            wait.cancel()
            executeSoon { $0.cancelSend(wait) }
        }
        try result.get()
    }

    /// Sends a frame once the transport is writable, or only waits if the frame is `nil`; for a task that does not run
    /// on the loop.
    func sendOffLoop(_ frame: OutboundFrame?) async throws(WebSocketError) {
        let wait = Wait()
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: Outbox.Completion) in
                loop.driver.execute {
                    self.loop.beginTurn()
                    self.submit(frame, wait, continuation)
                    self.loop.endTurn()
                }
            }
        } onCancel: {
            wait.cancel()
            executeSoon { $0.cancelSend(wait) }
        }
        try result.get()
    }

    private func submit(_ frame: OutboundFrame?, _ wait: Wait, _ completion: Outbox.Completion) {
        let isSubmitted: Void? = withConnection { $0.submit(frame, wait, completion) }
        if isSubmitted == nil { completion.resume(returning: .failure(.closed(outcome))) }
    }

    // MARK: Pings and the end

    /// Sends a Ping and waits for its Pong.
    nonisolated(nonsending) func ping() async throws(WebSocketError) -> Duration {
        let wait = Wait()
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: Connection.PingContinuation) in
                loop.execute {
                    let isSent: Void? = self.withConnection { $0.ping(wait, continuation) }
                    if isSent == nil { continuation.resume(returning: .failure(.closed(self.outcome))) }
                }
            }
        } onCancel: {
            wait.cancel()
            executeSoon { $0.cancelPing(wait) }
        }
        return try result.get()
    }

    /// Begins the closing handshake unless it has begun.
    func close(_ frame: CloseFrame) {
        execute { $0.close(frame) }
    }

    /// Aborts the connection, without a closing handshake.
    func abort(_ reason: String) {
        execute { $0.abort(reason) }
    }
}

/// The state that outlives a connection. It holds no memory of the loop.
final class EndedConnection {
    let outcome: CloseOutcome?
    let roundTripTime: Duration?
    let compressionStatistics: CompressionStatistics
    /// Messages that arrived before the end and have not been received.
    fileprivate var inbox: Inbox
    fileprivate var partial: Inbox.Item?

    init(_ connection: Connection) {
        outcome = connection.outcome
        roundTripTime = connection.endpoint.pointee.roundTripTime
        compressionStatistics = connection.compressionStatistics
        inbox = connection.inbox
        partial = connection.partial
    }
}
