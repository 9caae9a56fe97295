import LifelineCore
import NIOCore
import Synchronization

/// What everybody but the loop holds of a connection.
///
/// The loop owns its connections, and everything in them. `Connection` is not Sendable, so the compiler lets nobody carry
/// one to another thread; a handle is what goes there. It leads back to the connection on the loop alone, and owns none of
/// the loop's memory: dropping the last handle, wherever that happens, frees a small record and nothing else.
///
/// A connection that has ended is cleared from its handle, which answers from what is left of it (``EndedConnection``).
///
/// `@unchecked Sendable`: `loop` and `id` are immutable; everything else is touched on the loop alone, which debug builds
/// assert.
final class ConnectionHandle: @unchecked Sendable {
    let loop: Loop
    let id: UInt64
    /// The connection; `nil` once it has ended. The loop keeps it alive for longer than any call on the loop lasts.
    @exclusivity(unchecked) private var reference: Unmanaged<Connection>?
    private let closing: Atomic<Bool>
    /// What is left of the connection, once it has ended.
    @exclusivity(unchecked) private var ended: EndedConnection?

    init(_ connection: Connection) {
        loop = connection.loop
        id = connection.id
        reference = .passUnretained(connection)
        closing = Atomic(connection.endpoint.pointee.phase != .open && connection.endpoint.pointee.phase != .opening)
    }

    /// Whether the closing handshake has begun, or the connection has ended, so that nothing more is sent; from anywhere.
    var isClosing: Bool { closing.load(ordering: .relaxed) }

    /// Notes that nothing more is sent; on the loop.
    func noteClosing() {
        closing.store(true, ordering: .relaxed)
    }

    /// Calls a function with the connection; on the loop.
    ///
    /// The connection must not leave the function.
    ///
    /// - Returns: What `body` returned, or `nil` where the connection has ended.
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

    /// How the connection ended, or `nil` while it has not; on the loop.
    var outcome: CloseOutcome? {
        if let outcome = withConnection({ $0.outcome }) { return outcome }
        return ended?.outcome
    }

    /// What compression has saved; on the loop.
    var compressionStatistics: CompressionStatistics {
        withConnection { $0.compressionStatistics } ?? ended?.compressionStatistics ?? CompressionStatistics()
    }

    /// The time of the last round trip; on the loop.
    var roundTripTime: Duration? {
        if let time = withConnection({ $0.endpoint.pointee.roundTripTime }) { return time }
        return ended?.roundTripTime
    }

    /// The next message, or part of one, that arrived before the connection ended and has not been received; on the loop.
    func takeUnread(whole: Bool) -> Inbox.Item? {
        loop.assertOnLoop()
        guard let ended else { return nil }
        while let item = ended.inbox.popFirst() {
            guard whole else { return item }
            if let whole = Connection.join(item, &ended.partial) { return whole }
        }
        return nil
    }

    /// Notes that the connection has ended; on the loop.
    func end(_ ended: EndedConnection) {
        loop.assertOnLoop()
        assert(reference != nil, "a connection ends once")
        reference = nil
        self.ended = ended
    }

    // MARK: From anywhere

    /// Runs a function with the connection on the loop: at once where the caller is there, soon otherwise; not at all where
    /// the connection has ended by then.
    func execute(_ body: @escaping @Sendable (Connection) -> Void) {
        loop.execute { _ = self.withConnection(body) }
    }

    /// Runs a function with the connection on the loop, soon; not at all where the connection has ended by then.
    func executeSoon(_ body: @escaping @Sendable (Connection) -> Void) {
        loop.driver.execute { _ = self.withConnection(body) }
    }

    /// Reads something on the loop.
    func onLoop<Value: Sendable>(_ read: @escaping @Sendable (ConnectionHandle) -> Value) async -> Value {
        await withUnsafeContinuation { continuation in
            loop.execute { continuation.resume(returning: read(self)) }
        }
    }

    func outcomeOffLoop() async -> CloseOutcome? {
        await onLoop { $0.outcome }
    }

    /// Waits until TCP has ended. Each step on the way has its deadline, so this wait needs none, and cannot be cancelled.
    nonisolated(nonsending) func waitForTermination() async {
        await withUnsafeContinuation { continuation in
            loop.execute {
                let waits: Void? = self.withConnection { $0.terminationWaiters.append(continuation) }
                if waits == nil { continuation.resume() }
            }
        }
    }

    // MARK: Receiving

    /// Waits in the handler's own task, on the loop, until `Connection.pull()` has something, or the task is cancelled.
    @inline(__always)
    nonisolated(nonsending) func waitForOwnMessage() async {
        await withUnsafeContinuation { wait($0) }
    }

    /// Waits, on the loop, until `Connection.pull()` has something, or the task is cancelled.
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

    /// Resumes when there is something to pull, or the wait is cancelled.
    @inline(never)
    private func wait(_ continuation: UnsafeContinuation<Void, Never>) {
        guard loop.isOnLoop else {
            // It lives for as long as it waits.
            nonisolated(unsafe) let task = withUnsafeCurrentTask { $0 }
            return loop.driver.execute { self.wait(continuation, isCancelled: task?.isCancelled ?? false) }
        }
        wait(continuation, isCancelled: Task.isCancelled)
    }

    private func wait(_ continuation: UnsafeContinuation<Void, Never>, isCancelled: Bool) {
        let waits: Void? = withConnection { $0.wait(continuation, isCancelled: isCancelled) }
        if waits == nil { continuation.resume() }
    }

    /// Throws where another task waits for a message.
    func checkNobodyReceives() throws(WebSocketError) {
        // An actor's task that has left the loop looks again there, before it waits.
        guard loop.isOnLoop, withConnection({ $0.hasReceiver }) == true else { return }
        throw .concurrentReceive
    }

    /// Throws where the task has been cancelled and nothing has been found for it.
    func checkCancellation() throws(WebSocketError) {
        // What was found is ours alone to take, and only on the loop.
        guard Task.isCancelled else { return }
        if loop.isOnLoop, withConnection({ $0.borrowed != nil }) == true { return }
        throw .cancelled
    }

    /// The next message, or part of one, for a task that does not run on the loop; `nil` after the last.
    ///
    /// - Parameter deadline: The instant at which the wait ends with ``WebSocketError/Code/timedOut``; `nil` for never.
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

    /// Sends a frame once the transport takes more; on the loop.
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

    /// Sends a frame on behalf of a task that does not run on the loop.
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

    /// Begins the closing handshake, if it has not begun.
    func close(_ frame: CloseFrame) {
        execute { $0.close(frame) }
    }

    /// Ends the connection without a closing handshake.
    func abort(_ reason: String) {
        execute { $0.abort(reason) }
    }
}

/// What is left of a connection that has ended: the application's, and none of it the loop's.
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
