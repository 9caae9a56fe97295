package import LifelineCore
import NIOCore

/// Drives one `Endpoint` over one ``Transport`` of any engine.
///
/// A connection is confined to its loop, which owns it and frees it. It is not Sendable, so the compiler enforces that. Code
/// outside of the loop holds its ``handle``.
package final class Connection {
    package let loop: Loop
    package let id: UInt64
    /// The settings of the client or server, and those of the route once it is known.
    @exclusivity(unchecked) var settings: ConnectionSettings
    var limits: BufferLimits { settings.limits }
    /// The size in bytes from which a payload is written from where it lies instead of being copied behind its header.
    let separatePayloadSize: Int
    var observer: (any LifecycleObserver)? { settings.observer }
    /// Whether there is an observer. Reading `observer` itself would cost a copy of it.
    let isObserved: Bool

    /// The byte stream; `nil` once TCP has ended.
    @exclusivity(unchecked) var transport: (any Transport)?
    /// Whether the transport takes more. The transport writes its own flag here whenever that changes.
    @exclusivity(unchecked) package var transportIsWritable = true
    @inline(__always) var isWritable: Bool { transportIsWritable && !isTerminated }
    /// The peer's address and port.
    let remoteAddress: String
    /// The server or the attempt to connect to which the connection belongs; `nil` once TCP has ended.
    @exclusivity(unchecked) var owner: (any ConnectionOwner)?
    /// The protocol's state. It is behind a pointer to avoid exclusivity checks at run time on the hot path. Overlapping
    /// accesses cannot happen: the connection is confined to its loop, and no method of an endpoint calls out.
    let endpoint: UnsafeMutablePointer<Endpoint>

    /// The bytes that were read from the socket in this turn and have not been parsed.
    @exclusivity(unchecked) var input = ReadBuffer(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    /// When this turn's bytes arrived.
    @exclusivity(unchecked) var now: MonotonicInstant
    /// Why input is held instead of being parsed; `nil` if it is not.
    @exclusivity(unchecked) var hold: InputHold?
    @inline(__always) var inputIsHeld: Bool { hold != nil }
    /// Whether the loop is going to call ``resumeInput()``.
    @exclusivity(unchecked) private var awaitsTurn = false
    /// Whether the transport has been asked not to read.
    @exclusivity(unchecked) private var transportIsPaused = false

    /// Reports of the engine that arrived while ``isBusy``. They are handled at the end of the turn.
    @exclusivity(unchecked) private var reports: [Report] = []
    /// Whether a handler or the transport is being called. The engine's reports then have to wait: they would invalidate what
    /// the handler has borrowed, and call it recursively.
    @exclusivity(unchecked) private(set) var isBusy = false
    /// Whether the loop is going to call ``endTurn()`` at the end of the turn.
    @exclusivity(unchecked) private(set) var isQueued = false

    /// The handle, if one has been made.
    @exclusivity(unchecked) private var existingHandle: ConnectionHandle?

    /// The receiver of messages.
    @exclusivity(unchecked) var receiver = Receiver.nobody
    /// The handler's own task. Its waits do not check for cancellation, because code that cancels it also calls
    /// ``cancelReceive()``. It is only compared, never used: it may have ended.
    @exclusivity(unchecked) var handlerTask: UnsafeCurrentTask?
    /// A message that was found for a waiting task. It stays in the input until the task takes it.
    @exclusivity(unchecked) var borrowed: BorrowedMessage?
    /// Messages that arrived while the application was busy.
    @exclusivity(unchecked) var inbox = Inbox()
    /// The number of readers that receive messages in parts.
    @exclusivity(unchecked) var streams = 0
    @exclusivity(unchecked) var readingIsPaused = false

    /// Frames that are written at the end of the turn.
    @exclusivity(unchecked) var output = OutputBlock.none
    /// Whether there is an output block.
    @exclusivity(unchecked) var isDirty = false
    /// Sends that wait.
    @exclusivity(unchecked) var outbox = Outbox()
    @exclusivity(unchecked) var progress = OutputProgress()
    /// Where the connection's messages are counted for the metrics; `nil` while it is not open, or without metrics. The memory
    /// belongs to the owner.
    @exclusivity(unchecked) var traffic: UnsafeMutablePointer<TrafficCounts>?
    /// The bytes that were sent without waiting since the transport became full, each message with ``Outbox/overhead``.
    @exclusivity(unchecked) var unwritten = 0

    /// The connection's place in the loop's ``DeadlineTable``; negative while it has none.
    @exclusivity(unchecked) var deadlinePlace = -1
    /// The earliest of all deadlines, as the loop knows it.
    @exclusivity(unchecked) private(set) var deadline: MonotonicInstant?
    @exclusivity(unchecked) private(set) var stall = StallTracker()
    /// When a transport that should have ended is aborted.
    @exclusivity(unchecked) private(set) var finalDeadline: MonotonicInstant?
    /// Whether the WebSocket has ended. TCP may not have.
    @exclusivity(unchecked) private(set) var isEnded = false
    /// Whether this side has ended its side of TCP.
    private(set) var outputHasEnded = false
    /// Whether the opening handshake was completed.
    var wasOpened = false
    @exclusivity(unchecked) private(set) var isTerminated = false
    /// Rarely needed state, allocated on demand.
    @exclusivity(unchecked) var coldState: ConnectionColdState?

    /// What held input waits for.
    enum InputHold {
        /// The turns of other connections.
        case forTurn
        /// The application to receive from the inbox.
        case forInbox
        /// The answer to a request, and room in the transport for it.
        case forAnswer
    }

    /// A report of the engine.
    private enum Report {
        case received([UInt8])
        case inputEnded
        case failed(String, (any Error)?)
        case outputDrained
        case terminated
    }

    /// A message, or a part of one, in the memory into which it was received.
    struct BorrowedMessage {
        var kind: MessageKind
        var bytes: UnsafeRawBufferPointer
        var isFirst: Bool
        var isLast: Bool
    }

    /// A receiver of messages.
    enum Receiver {
        /// No receiver at the moment. Messages go to the inbox.
        case nobody
        /// A handler on the loop.
        case handler(any ConnectionReceiver)
        /// A task on the loop, which pulls messages from the input.
        case task(UnsafeContinuation<Void, Never>)
        /// A task that does not run on the loop, which gets a copy.
        case offLoop(Wait, whole: Bool, OffLoopContinuation)
    }

    /// Resumes a task that does not run on the loop with a message, or with `nil` after the last.
    typealias OffLoopContinuation = UnsafeContinuation<Result<Inbox.Item?, WebSocketError>, Never>

    /// Resumes a task that waits for a Pong with the round-trip time.
    typealias PingContinuation = UnsafeContinuation<Result<Duration, WebSocketError>, Never>

    /// A task that waits for a Pong.
    struct PingWaiter {
        var wait: Wait
        var number: UInt64
        var sentAt: MonotonicInstant
        /// When the wait times out.
        var deadline: MonotonicInstant
        var continuation: PingContinuation
    }

    init(
        loop: Loop, id: UInt64, transport: any Transport, remoteAddress: String = "", owner: any ConnectionOwner,
        settings: ConnectionSettings, endpoint: consuming Endpoint
    ) {
        self.loop = loop
        self.id = id
        self.transport = transport
        separatePayloadSize = transport.separatePayloadSize
        self.remoteAddress = remoteAddress
        self.owner = owner
        self.settings = settings
        isObserved = settings.observer != nil
        self.endpoint = .allocate(capacity: 1)
        self.endpoint.initialize(to: endpoint)
        now = loop.driver.now()
        self.endpoint.pointee.reportsFrames = isObserved
    }

    deinit {
        loop.assertOnLoop()
        if isDirty { output.deallocate() }
        endpoint.deinitialize(count: 1)
        endpoint.deallocate()
    }

    /// How the connection ended; `nil` until that is decided.
    package var outcome: CloseOutcome? { endpoint.pointee.outcome }

    /// What compression has saved so far.
    var compressionStatistics: CompressionStatistics { endpoint.pointee.compressionStatistics }

    /// Tells threads other than the loop's that nothing more is sent.
    func noteClosing() {
        existingHandle?.noteClosing()
    }

    /// The handle through which code outside of the loop uses the connection.
    var handle: ConnectionHandle {
        loop.assertOnLoop()
        if let existingHandle { return existingHandle }
        assert(!isTerminated, "a connection that has ended without a handle needs none")
        let made = ConnectionHandle(self)
        existingHandle = made
        return made
    }

    // MARK: Called by the engine

    /// Begins the connection: the byte stream is established.
    package func established() {
        loop.beginTurn()
        loop.insert(self)
        observe(.connected(remoteAddress: remoteAddress))
        owner?.connectionEstablished(self)
        settle()
        loop.endTurn()
    }

    /// Handles bytes that have arrived. They are parsed and unmasked in place, and not used after the call.
    @inline(__always)
    package func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard !isBusy else { return report(.received(Array(bytes))) }
        guard !inputIsHeld else {
            held.append(bytes)
            return
        }
        now = loop.driver.tickTime
        loop.beginTurn()
        parse(bytes)
        if !input.isEmpty || inputIsHeld { keepInput(Array(input.unread)) }
        settle()
        loop.endTurn()
    }

    /// Parses bytes, and delivers their messages. Afterwards, `input` is the rest.
    @inline(__always)
    private func parse(_ bytes: UnsafeMutableRawBufferPointer) {
        isBusy = true
        loop.beginWork()
        input = ReadBuffer(bytes)
        deliverToReceiver()
        // A task that was waiting takes messages straight from the input …
        loop.runReadyJobs()
        // … and the rest goes to the inbox, because control frames must not wait for the application.
        if borrowed != nil || !input.isEmpty { deliverToInbox() }
        // Bytes after the opening handshake are for the handler that a server's answer has started.
        if !input.isEmpty, !loop.workIsSpent {
            loop.runReadyJobs()
            if borrowed != nil || !input.isEmpty { deliverToInbox() }
        }
        isBusy = false
    }

    /// Keeps the rest of the input unparsed: after a request until it is answered, while the inbox is full until it has room,
    /// and otherwise until the other connections have had their turn.
    @inline(never)
    private func keepInput(_ bytes: [UInt8], from start: Int = 0) {
        input = ReadBuffer(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        hold = hold ?? .forTurn
        held.keep(bytes, from: start)
        setReading()
    }

    /// Handles the end of the peer's side of TCP.
    package func inputEnded() {
        guard !isBusy else { return report(.inputEnded) }
        guard !inputIsHeld else {
            held.isEnded = true
            return
        }
        loop.beginTurn()
        now = loop.driver.now()
        observe(.inputEnded)
        endpoint.pointee.receiveEnd(at: now)
        settle()
        loop.endTurn()
    }

    /// Handles a failure of the byte stream.
    package func failed(_ description: String, _ error: (any Error)? = nil) {
        guard !isBusy else { return report(.failed(description, error)) }
        loop.beginTurn()
        dropHeldInput()
        transportError = transportError ?? error
        now = loop.driver.now()
        observe(.transportFailed(description))
        endpoint.pointee.transportFailed(description, at: now)
        settle()
        loop.endTurn()
    }

    /// Goes on sending: the transport has room again.
    package func outputDrained() {
        guard !isBusy else { return report(.outputDrained) }
        loop.beginTurn()
        now = loop.driver.now()
        unwritten = outbox.unawaitedSize
        drainControl()
        sendWaiting()
        if hold == .forAnswer { setReading() }
        resumeBodyWriter()
        if case .handler(let handler) = receiver { handler.writable() }
        settle()
        loop.endTurn()
    }

    /// Handles the end of TCP.
    package func terminated() {
        guard !isBusy else { return report(.terminated) }
        guard !isTerminated else { return }
        isTerminated = true
        loop.beginTurn()
        dropHeldInput()
        now = loop.driver.now()
        endpoint.pointee.transportFailed("the TCP connection was closed", at: now)
        endWebSocket()
        observe(.tcpEnded)
        loop.remove(self)
        let owner = owner
        transport = nil
        self.owner = nil
        if let block = takeOutput() { loop.recycle(block) }
        owner?.connectionTerminated(self)
        traffic = nil
        existingHandle?.end(EndedConnection(self))
        for waiter in terminationWaiters { waiter.resume() }
        terminationWaiters = []
        loop.endTurn()
    }

    /// Handles an expired deadline.
    func deadlineIsDue(at now: MonotonicInstant) {
        self.now = now
        deadline = nil
        if let finalDeadline, now >= finalDeadline {
            self.finalDeadline = nil
            callTransport { $0.abort() }
            return
        }
        noteOutputProgress()
        endpoint.pointee.advance(to: now)
        if let stallDeadline = stall.deadline, now >= stallDeadline { checkStall() }
        expirePings()
        expireReceive()
        settle()
    }

    /// Counts write progress as activity for the heartbeat: the peer may be busy reading, and our Ping may
    /// be queued behind that output.
    func noteOutputProgress() {
        if progress.update(pending: transport?.pendingBytes ?? 0) { endpoint.pointee.noteOutputProgress(at: now) }
    }

    /// The bytes that the transport has written.
    private var writtenBytes: Int { progress.written(pending: transport?.pendingBytes ?? 0) }

    // MARK: Reports during a call

    /// Calls the transport, which may report back during the call.
    @inline(__always)
    func callTransport(_ body: (any Transport) -> Void) {
        guard let transport else { return }
        let wasBusy = isBusy
        isBusy = true
        body(transport)
        isBusy = wasBusy
    }

    private func report(_ report: Report) {
        reports.append(report)
        queue()
    }

    /// Has the loop call ``endTurn()`` at the end of the turn.
    @inline(__always)
    func queue() {
        guard !isQueued else { return }
        isQueued = true
        loop.markDirty(self)
    }

    /// Ends a turn: writes all output, and handles the reports that arrived meanwhile.
    @inline(__always)
    func endTurn() {
        isQueued = false
        flush()
        if !reports.isEmpty { handleReports() }
        if !isWritable, stall.deadline == nil { setDeadline() }
        // The transport's reports may have caused more output, which must be written first.
        if endpoint.pointee.transportRequest != nil, !isDirty { settle() }
        assert(isConsistent)
    }

    /// Whether the invariants between the parts of the state hold. Asserted at the end of each turn.
    private var isConsistent: Bool {
        isDirty == (output.capacity > 0) && unwritten >= outbox.unawaitedSize && (inputIsHeld || held.isEmpty)
            && (stall.deadline == nil || !isWritable) && streams >= 0
    }

    private func handleReports() {
        let reports = reports
        self.reports = []
        for report in reports {
            switch report {
            case .received(var bytes): bytes.withUnsafeMutableBytes { received($0) }
            case .inputEnded: inputEnded()
            case .failed(let description, let error): failed(description, error)
            case .outputDrained: outputDrained()
            case .terminated: terminated()
            }
        }
    }

    // MARK: After each change

    /// Acts on changes of the endpoint's state: output, the end, requests to the transport, deadlines.
    @inline(__always)
    func settle() {
        if endpoint.pointee.hasOutput { drainControl() }
        if endpoint.pointee.hasOutcome, !isEnded { endWebSocket() }
        if endpoint.pointee.transportRequest != nil, !isDirty { carryOutTransportRequest() }
        setDeadline()
    }

    /// Starts or stops the stall timer.
    private func updateStall() {
        observeWriting()
        if isWritable || isEnded {
            stall.stop()
        } else if let timeout = limits.stallTimeout {
            stall.start(at: now, timeout: timeout, written: writtenBytes)
        }
    }

    /// Aborts the connection if the peer has read nothing since the stall timer started; otherwise restarts the timer.
    private func checkStall() {
        stall.stop()
        guard !isWritable, !isEnded, let timeout = limits.stallTimeout else { return }
        guard !stall.hasProgress(written: writtenBytes) else { return updateStall() }
        if !endpoint.pointee.hasOutcome { slowPeerLimit = .stallTimeout }
        endpoint.pointee.abort("the peer has read nothing for \(timeout) while output waits for it (stallTimeout)")
    }

    /// Gives the loop the earliest of all deadlines.
    func setDeadline() {
        if isWritable != (stall.deadline == nil) { updateStall() }
        var next = endpoint.pointee.deadline ?? finalDeadline
        if let stallDeadline = stall.deadline { next = min(next ?? stallDeadline, stallDeadline) }
        if let ping = pings.first { next = min(next ?? ping.deadline, ping.deadline) }
        if let receive = receiveTimeout { next = min(next ?? receive.deadline, receive.deadline) }
        guard next != deadline else { return }
        deadline = next
        loop.setDeadline(next, of: self)
    }

    /// Ends the WebSocket: notifies the receiver and the waiting tasks, and gives resources back to the loop.
    private func endWebSocket() {
        guard !isEnded else { return }
        isEnded = true
        existingHandle?.noteClosing()
        guard let outcome else { return }
        if isObserved, endpoint.pointee.compresses { observe(.compressed(endpoint.pointee.compressionStatistics)) }
        observe(.ended(outcome))
        owner?.connectionEnded(self)
        // The loop's resources are given back now, however long the end of TCP takes; the payload only if nobody has borrowed
        // it.
        endpoint.pointee.releaseResources(keepsPayload: isBusy || borrowed != nil)
        switch receiver {
        case .nobody: break
        case .handler(let handler):
            receiver = .nobody
            handler.closed(outcome)
        case .task(let continuation):
            receiver = .nobody
            continuation.resume()
        case .offLoop(_, _, let continuation):
            receiver = .nobody
            continuation.resume(returning: .success(nil))
        }
        let error = WebSocketError.closed(outcome)
        failWaiting(error)
        for waiter in pings { waiter.continuation.resume(returning: .failure(error)) }
        pings = []
        endHTTP()
        setReading()
    }

    /// Carries out the endpoint's request to the transport. All output has been given to the transport by then.
    func carryOutTransportRequest() {
        guard let request = endpoint.pointee.transportRequest else { return }
        if request != .abort, endpoint.pointee.hasOutput {
            // The transport has no room for the last frames yet.
            endFinally()
            return
        }
        endpoint.pointee.transportRequest = nil
        switch request {
        case .shutdownOutput:
            noteOutputEnd()
            callTransport { $0.shutdownOutput() }
        case .close:
            noteOutputEnd()
            endFinally()
            callTransport { $0.close() }
        case .abort:
            callTransport { $0.abort() }
        }
    }

    /// Notifies the observer, once, that this side ends its side of TCP.
    private func noteOutputEnd() {
        guard !outputHasEnded else { return }
        outputHasEnded = true
        observe(.outputEnded)
    }

    /// Sets the deadline by which TCP ends even if the peer never reads the rest of the output.
    private func endFinally() {
        guard finalDeadline == nil else { return }
        finalDeadline = now.advanced(by: endpoint.pointee.closeTimeout)
        setDeadline()
    }

    // MARK: Reading

    /// Pauses reading when the application lags behind, and resumes it when the application has caught up.
    @inline(__always)
    func setReading() {
        if inputIsHeld, !awaitsTurn, mayResumeInput {
            awaitsTurn = true
            loop.resumeSoon(self)
        }
        let phase = endpoint.pointee.phase
        let mustPause =
            phase == .open || phase == .opening
            ? inputIsHeld && hold != .forTurn
                || inbox.size >= (readingIsPaused ? limits.inbound.low : limits.inbound.high)
            : false
        if mustPause != readingIsPaused { changeReading(mustPause) }
        // While held input is being parsed, it is not known yet whether some of it must be held again.
        let mustPauseTransport = mustPause || inputIsHeld || transportIsPaused && !input.isEmpty
        if mustPauseTransport != transportIsPaused { pauseTransport(mustPauseTransport) }
    }

    private func pauseTransport(_ paused: Bool) {
        transportIsPaused = paused
        transport?.setReading(!paused)
    }

    /// Whether the reason for holding input is gone.
    private var mayResumeInput: Bool {
        switch endpoint.pointee.phase {
        case .opening:
            hold != .forAnswer
                || (!endpoint.pointee.isAnswering || endpoint.pointee.readsRequestBody) && isWritable
        case .open: inbox.size < (hold == .forInbox ? limits.inbound.low : limits.inbound.high)
        case .closing, .ending, .closed: true
        }
    }

    /// Parses held input for a turn.
    func resumeInput() {
        awaitsTurn = false
        guard inputIsHeld, !isTerminated else { return }
        guard !isBusy, mayResumeInput else { return setReading() }
        hold = nil
        var (bytes, start) = held.take()
        now = loop.driver.now()
        loop.beginTurn()
        bytes.withUnsafeMutableBytes { parse(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
        if !input.isEmpty || inputIsHeld { keepInput(bytes, from: bytes.count - input.count) }
        if !inputIsHeld, held.isEnded {
            held.isEnded = false
            inputEnded()
        }
        setReading()
        settle()
        loop.endTurn()
    }

    private func dropHeldInput() {
        coldState?.held = HeldInput()
        hold = nil
    }

    private func changeReading(_ paused: Bool) {
        readingIsPaused = paused
        endpoint.pointee.setInputPaused(paused, at: loop.driver.now())
        observe(paused ? .readingPaused : .readingResumed)
        setDeadline()
    }
}
