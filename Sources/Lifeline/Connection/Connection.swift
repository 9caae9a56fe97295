package import LifelineCore
import NIOCore

/// Drives one `Endpoint` over one ``Transport``, whatever engine is behind it.
///
/// A connection belongs to its loop, which alone refers to it, calls it, and frees it. It is not Sendable, so that the
/// compiler keeps it there; everybody else holds its ``handle``.
package final class Connection {
    package let loop: Loop
    package let id: UInt64
    let settings: ConnectionSettings
    var limits: BufferLimits { settings.limits }
    /// From this size on a payload is not copied behind its header, but handed to the transport where it lies.
    let separatePayloadSize: Int
    var observer: (any LifecycleObserver)? { settings.observer }
    /// Whether there is an observer; looking at the observer itself would cost a copy of it.
    let isObserved: Bool

    /// The byte stream; `nil` once TCP has ended.
    @exclusivity(unchecked) var transport: (any Transport)?
    /// Whether the transport takes more; its own word, which it writes here whenever it changes.
    @exclusivity(unchecked) package var transportIsWritable = true
    @inline(__always) var isWritable: Bool { transportIsWritable && !isTerminated }
    /// The peer's address and port.
    let remoteAddress: String
    /// Who is told what happens; `nil` once TCP has ended.
    @exclusivity(unchecked) var owner: (any ConnectionOwner)?
    /// The protocol's state. Behind a pointer, so that the hot path does without exclusivity checks at run time; the loop's
    /// confinement makes overlapping accesses impossible but for reentrancy, and no method of an endpoint calls out.
    let endpoint: UnsafeMutablePointer<Endpoint>

    /// What has been read from the socket in this turn and not been parsed.
    @exclusivity(unchecked) var input = ReadBuffer(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    /// When this turn's bytes arrived.
    @exclusivity(unchecked) var now: MonotonicInstant
    /// What input waits for; it is held rather than parsed then.
    @exclusivity(unchecked) var hold: InputHold?
    @inline(__always) var inputIsHeld: Bool { hold != nil }
    /// Whether the loop comes by to have held input parsed.
    @exclusivity(unchecked) private var awaitsTurn = false
    /// Whether the transport has been asked not to read.
    @exclusivity(unchecked) private var transportIsPaused = false
    /// Whether the peer has ended its side of TCP behind what is held.
    private(set) var endIsHeld = false

    /// What the engine reported from inside a call of ours; it is seen to at the end of the turn.
    @exclusivity(unchecked) private var reports: [Report] = []
    /// Whether a handler, or the transport, is at work on this connection: then nothing may happen to it from below. What a
    /// handler has borrowed would be gone, and its calls would come inside one another.
    @exclusivity(unchecked) private(set) var isBusy = false
    /// Whether the loop comes by at the end of the turn.
    @exclusivity(unchecked) private(set) var isQueued = false

    /// What others than the loop hold of the connection, where somebody does.
    @exclusivity(unchecked) private var existingHandle: ConnectionHandle?

    /// Who receives messages.
    @exclusivity(unchecked) var receiver = Receiver.nobody
    /// The handler's own task. Whoever cancels it calls ``cancelReceive()`` too, so that its waits need not watch.
    /// Only compared with, never used: it may have ended.
    @exclusivity(unchecked) var handlerTask: UnsafeCurrentTask?
    /// A message that was found for a waiting task and lies in the input until it is taken.
    @exclusivity(unchecked) var borrowed: BorrowedMessage?
    /// Messages that arrived while the application was busy.
    @exclusivity(unchecked) var inbox = Inbox()
    /// How many readers want messages in parts.
    @exclusivity(unchecked) var streams = 0
    @exclusivity(unchecked) var readingIsPaused = false

    /// Frames that wait to be written at the end of the turn.
    @exclusivity(unchecked) var output = OutputBlock.none
    /// Whether there are any; otherwise there is no block either.
    @exclusivity(unchecked) var isDirty = false
    /// Sends that wait.
    @exclusivity(unchecked) var outbox = Outbox()
    /// What the transport had not written when it was last looked at.
    private var lastPendingBytes = 0
    /// What it had written by then.
    private var lastWrittenBytes = 0
    /// The bytes that the transport has been given.
    @exclusivity(unchecked) var handedOver = 0
    /// Bytes that were sent without waiting since the transport took no more.
    @exclusivity(unchecked) var unwritten = 0

    /// Where the loop keeps this connection's deadline; negative once it does not.
    @exclusivity(unchecked) var deadlinePlace = -1
    @exclusivity(unchecked) private(set) var deadline: MonotonicInstant?
    /// When a peer that takes nothing is given up; set while the transport is full.
    @exclusivity(unchecked) private(set) var stallDeadline: MonotonicInstant?
    /// What the transport had written when that was set.
    private var writtenBeforeStall = 0
    /// When a transport that should have ended is ended by force.
    @exclusivity(unchecked) private(set) var finalDeadline: MonotonicInstant?
    @exclusivity(unchecked) private(set) var isEnded = false
    /// Whether this side has ended its side of TCP.
    private(set) var outputHasEnded = false
    /// Whether the opening handshake was completed.
    var wasOpened = false
    @exclusivity(unchecked) private(set) var isTerminated = false
    /// What there is only now and then.
    @exclusivity(unchecked) var coldState: ConnectionColdState?

    /// What input that is held waits for.
    enum InputHold {
        /// For the others' turns.
        case forTurn
        /// For the application to receive what is in the inbox.
        case forInbox
        /// For the answer to a request, and for the transport to take it.
        case forAnswer
    }

    /// What an engine reports.
    private enum Report {
        case received([UInt8])
        case inputEnded
        case failed(String, (any Error)?)
        case outputDrained
        case terminated
    }

    /// A message or a part of one, where it lies.
    struct BorrowedMessage {
        var kind: MessageKind
        var bytes: UnsafeRawBufferPointer
        var isFirst: Bool
        var isLast: Bool
    }

    /// Who receives messages.
    enum Receiver {
        /// Nobody at the moment; messages go to the inbox.
        case nobody
        /// A handler on the loop.
        case handler(any ConnectionReceiver)
        /// A task that will pull from the input on the loop.
        case task(UnsafeContinuation<Void, Never>)
        /// A task that does not run on the loop, which gets a copy.
        case offLoop(Wait, whole: Bool, OffLoopContinuation)
    }

    /// What a task that does not run on the loop gets: a message, or `nil` after the last.
    typealias OffLoopContinuation = UnsafeContinuation<Result<Inbox.Item?, WebSocketError>, Never>

    /// What a task that waits for a Pong gets: the round trip's time.
    typealias PingContinuation = UnsafeContinuation<Result<Duration, WebSocketError>, Never>

    /// A task that waits for a Pong.
    struct PingWaiter {
        var wait: Wait
        var number: UInt64
        var sentAt: MonotonicInstant
        /// When the wait is given up.
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

    /// How the connection ended; `nil` until it is decided.
    package var outcome: CloseOutcome? { endpoint.pointee.outcome }

    /// What compression has saved so far.
    var compressionStatistics: CompressionStatistics { endpoint.pointee.compressionStatistics }

    /// Tells threads other than the loop's that nothing more is sent.
    func noteClosing() {
        existingHandle?.noteClosing()
    }

    /// What others than the loop hold of the connection.
    var handle: ConnectionHandle {
        if let existingHandle { return existingHandle }
        assert(!isTerminated, "a connection that has ended without a handle needs none")
        let made = ConnectionHandle(self)
        existingHandle = made
        return made
    }

    // MARK: From the engine

    /// The byte stream is there.
    package func established() {
        loop.beginTurn()
        loop.insert(self)
        observe(.connected(remoteAddress: remoteAddress))
        owner?.connectionEstablished(self)
        settle()
        loop.endTurn()
    }

    /// Bytes have arrived. They are parsed, and changed, where they lie, and needed no longer than this call takes.
    @inline(__always)
    package func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard !isBusy else { return report(.received(Array(bytes))) }
        guard !inputIsHeld else {
            held += bytes
            return
        }
        now = loop.driver.tickTime
        loop.beginTurn()
        parse(bytes)
        if !input.isEmpty || inputIsHeld { keepInput(Array(input.unread)) }
        settle()
        loop.endTurn()
    }

    /// Parses bytes, and brings what they hold to whoever receives. What is left of them is the input then.
    @inline(__always)
    private func parse(_ bytes: UnsafeMutableRawBufferPointer) {
        isBusy = true
        loop.beginWork()
        input = ReadBuffer(bytes)
        deliverToReceiver()
        // A task that was waiting takes what it can straight from the input …
        loop.runReadyJobs()
        // … and what it leaves is kept for it: control frames are not to wait for the application.
        if borrowed != nil || !input.isEmpty { deliverToInbox() }
        // What lies behind a server's answer is for the handler that the answer has made ready.
        if !input.isEmpty, !loop.workIsSpent {
            loop.runReadyJobs()
            if borrowed != nil || !input.isEmpty { deliverToInbox() }
        }
        isBusy = false
    }

    /// Keeps the rest of the input as it is: behind a request until the answer is on its way, behind a full inbox until
    /// there is room, and otherwise until the others have had their turn.
    @inline(never)
    private func keepInput(_ bytes: [UInt8], from start: Int = 0) {
        input = ReadBuffer(UnsafeMutableRawBufferPointer(start: nil, count: 0))
        hold = hold ?? .forTurn
        held = bytes
        heldStart = start
        setReading()
    }

    /// The peer has ended its side of TCP.
    package func inputEnded() {
        guard !isBusy else { return report(.inputEnded) }
        guard !inputIsHeld else {
            endIsHeld = true
            return
        }
        loop.beginTurn()
        now = loop.driver.now()
        observe(.inputEnded)
        endpoint.pointee.receiveEnd(at: now)
        settle()
        loop.endTurn()
    }

    /// The byte stream has failed.
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

    /// The transport takes bytes again.
    package func outputDrained() {
        guard !isBusy else { return report(.outputDrained) }
        loop.beginTurn()
        now = loop.driver.now()
        unwritten = outbox.unawaitedSize
        drainControl()
        sendWaiting()
        if hold == .forAnswer { setReading() }
        if case .handler(let handler) = receiver { handler.writable() }
        settle()
        loop.endTurn()
    }

    /// TCP has ended.
    package func terminated() {
        guard !isBusy else { return report(.terminated) }
        guard !isTerminated else { return }
        isTerminated = true
        loop.beginTurn()
        dropHeldInput()
        now = loop.driver.now()
        endpoint.pointee.transportFailed("TCP was ended", at: now)
        noteEnd()
        observe(.tcpEnded)
        loop.remove(self)
        let owner = owner
        transport = nil
        self.owner = nil
        if let block = takeOutput() { loop.recycle(block) }
        owner?.connectionTerminated(self)
        existingHandle?.end(EndedConnection(self))
        for waiter in terminationWaiters { waiter.resume() }
        terminationWaiters = []
        loop.endTurn()
    }

    /// The deadline that was set has come.
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
        if let stallDeadline, now >= stallDeadline { judgeStall() }
        expirePings()
        expireReceive()
        settle()
    }

    /// Takes it for life that the peer has read something: it may be busy with it, and our Ping may wait behind it.
    func noteOutputProgress() {
        let pending = transport?.pendingBytes ?? 0
        let written = handedOver &- pending
        // Where nothing was left to write, the system's buffer takes more whether or not the peer reads. Where something
        // was, it took more because the peer did, though senders that wait may have filled it up again.
        if lastPendingBytes > 0, written > lastWrittenBytes { endpoint.pointee.noteOutputProgress(at: now) }
        lastPendingBytes = pending
        lastWrittenBytes = written
    }

    // MARK: Reports from inside a call

    /// Calls the transport, which may report back from inside the call.
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

    /// Has the loop come by at the end of the turn.
    @inline(__always)
    func queue() {
        guard !isQueued else { return }
        isQueued = true
        loop.markDirty(self)
    }

    /// The end of a turn: writes all output, and sees to what was put off until now.
    @inline(__always)
    func endTurn() {
        isQueued = false
        flush()
        if !reports.isEmpty { seeToReports() }
        if !isWritable, stallDeadline == nil { setDeadline() }
        // The transport may have made more output, which is to go out before.
        if endpoint.pointee.transportRequest != nil, !isDirty { settle() }
    }

    private func seeToReports() {
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

    /// Does what a change of the endpoint's state calls for.
    @inline(__always)
    func settle() {
        if endpoint.pointee.hasOutput { drainControl() }
        if endpoint.pointee.hasOutcome, !isEnded { noteEnd() }
        if endpoint.pointee.transportRequest != nil, !isDirty { carryOutTransportRequest() }
        setDeadline()
    }

    /// Begins, or ends, the wait for a peer that takes nothing.
    private func watchStall() {
        observeWriting()
        if isWritable || isEnded {
            stallDeadline = nil
        } else if let timeout = limits.stallTimeout {
            writtenBeforeStall = handedOver &- (transport?.pendingBytes ?? 0)
            stallDeadline = now.advanced(by: timeout)
        }
    }

    /// Gives a peer up that has taken nothing since the wait for it began.
    private func judgeStall() {
        stallDeadline = nil
        guard !isWritable, !isEnded, let timeout = limits.stallTimeout else { return }
        guard handedOver &- (transport?.pendingBytes ?? 0) == writtenBeforeStall else { return watchStall() }
        endpoint.pointee.abort("the peer has taken nothing for \(timeout), while something waits for it (stallTimeout)")
    }

    func setDeadline() {
        if isWritable != (stallDeadline == nil) { watchStall() }
        var next = endpoint.pointee.deadline ?? finalDeadline
        if let stallDeadline { next = min(next ?? stallDeadline, stallDeadline) }
        if let ping = pings.first { next = min(next ?? ping.deadline, ping.deadline) }
        if let receive = receiveTimeout { next = min(next ?? receive.deadline, receive.deadline) }
        guard next != deadline else { return }
        deadline = next
        loop.setDeadline(next, of: self)
    }

    /// Tells everybody who waits that the WebSocket is over.
    private func noteEnd() {
        guard !isEnded else { return }
        isEnded = true
        existingHandle?.noteClosing()
        guard let outcome else { return }
        if isObserved, endpoint.pointee.compresses { observe(.compressed(endpoint.pointee.compressionStatistics)) }
        observe(.ended(outcome))
        owner?.connectionEnded(self)
        // What it held of the loop's is given back now, however long TCP's end takes. Whoever is at work on it may have
        // borrowed a message.
        endpoint.pointee.releaseResources(keepsPayload: isBusy || borrowed != nil)
        // A handler that is to see the end first sees what arrived before it.
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
        setReading()
    }

    /// Has the transport do what the endpoint asked for, once all output has been written.
    func carryOutTransportRequest() {
        guard let request = endpoint.pointee.transportRequest else { return }
        if request != .abort, endpoint.pointee.hasOutput {
            // The transport does not take the last frames yet.
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

    /// Tells the observer, once, that this side ends its side of TCP.
    private func noteOutputEnd() {
        guard !outputHasEnded else { return }
        outputHasEnded = true
        observe(.outputEnded)
    }

    /// Makes sure that TCP ends, even if the peer never takes what is left to write.
    private func endFinally() {
        guard finalDeadline == nil else { return }
        finalDeadline = now.advanced(by: endpoint.pointee.closeTimeout)
        setDeadline()
    }

    // MARK: Reading

    /// Stops reading where the application is behind, and reads on where it has caught up.
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
        // In the middle of what was held, it is not known yet whether all of it will be parsed.
        let mustPauseTransport = mustPause || inputIsHeld || transportIsPaused && !input.isEmpty
        if mustPauseTransport != transportIsPaused { pauseTransport(mustPauseTransport) }
    }

    private func pauseTransport(_ paused: Bool) {
        transportIsPaused = paused
        transport?.setReading(!paused)
    }

    /// Whether what held input waits for has come.
    private var mayResumeInput: Bool {
        switch endpoint.pointee.phase {
        case .opening: hold != .forAnswer || endpoint.pointee.request == nil && isWritable
        case .open: inbox.size < (hold == .forInbox ? limits.inbound.low : limits.inbound.high)
        case .closing, .ending, .closed: true
        }
    }

    /// Parses on in what was held, for a turn.
    func resumeInput() {
        awaitsTurn = false
        guard inputIsHeld, !isTerminated else { return }
        guard !isBusy, mayResumeInput else { return setReading() }
        hold = nil
        var bytes = held
        held = []
        let start = heldStart
        now = loop.driver.now()
        loop.beginTurn()
        bytes.withUnsafeMutableBytes { parse(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
        if !input.isEmpty || inputIsHeld { keepInput(bytes, from: bytes.count - input.count) }
        if endIsHeld, !inputIsHeld {
            endIsHeld = false
            inputEnded()
        }
        setReading()
        settle()
        loop.endTurn()
    }

    private func dropHeldInput() {
        held = []
        heldStart = 0
        hold = nil
        endIsHeld = false
    }

    private func changeReading(_ paused: Bool) {
        readingIsPaused = paused
        endpoint.pointee.setInputPaused(paused, at: loop.driver.now())
        observe(paused ? .readingPaused : .readingResumed)
        setDeadline()
    }
}
