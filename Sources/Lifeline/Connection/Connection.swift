import LifelineCore
import NIOCore

/// Drives one `Endpoint` over one ``Transport``, whatever engine is behind it.
///
/// `@unchecked Sendable`: a connection is confined to its loop. The engine calls it there; the faces ask
/// `loop.isOnLoop` first, and go through `loop.driver.execute` otherwise. What other threads may read without asking
/// (`loop`, `id`) is immutable and Sendable.
final class Connection: @unchecked Sendable {
    let loop: Loop
    let id: UInt64
    let limits: BufferLimits
    let observer: (any LifecycleObserver)?

    /// The byte stream; `nil` once TCP has ended.
    var transport: (any Transport)?
    /// The peer's address and port.
    let remoteAddress: String
    /// The first error of the byte stream.
    var transportError: (any Error)?
    /// Who is told what happens; `nil` once TCP has ended.
    var owner: (any ConnectionOwner)?
    /// The protocol's state. Behind a pointer, so that the hot path does without exclusivity checks at run time; the loop's
    /// confinement makes overlapping accesses impossible but for reentrancy, and no method of an endpoint calls out.
    let endpoint: UnsafeMutablePointer<Endpoint>

    /// What has been read from the socket in this turn and not been parsed.
    var input = ReadBuffer(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    /// When this turn's bytes arrived.
    var now: Instant
    /// Bytes behind a request that waits for its answer.
    var held: [UInt8] = []
    /// Whether input is held rather than parsed.
    var inputIsHeld = false

    /// Who receives messages.
    var receiver = Receiver.nobody
    /// The handler's own task, whose cancellation is watched for as long as it runs, so that its waits need not watch.
    /// Only compared with, never used: it may have ended.
    var handlerTask: UnsafeCurrentTask?
    /// A message that was found for a waiting task and lies in the input until it is taken.
    var borrowed: BorrowedMessage?
    /// Messages that arrived while the application was busy.
    var inbox = Inbox()
    /// The parts so far of a message that a task receives as a whole, but that arrived as chunks.
    var partial: Inbox.Item?
    /// How many readers want messages in parts.
    var streams = 0
    var readingIsPaused = false

    /// Frames that wait to be written at the end of the turn.
    var output = ByteBuffer()
    var isDirty = false
    /// Sends that wait.
    var outbox = Outbox()
    /// Bytes that were sent without waiting since the transport took no more.
    var unwritten = 0
    var pings: [PingWaiter] = []
    var terminationWaiters: [UnsafeContinuation<Void, Never>] = []

    /// Where the loop keeps this connection's deadline; negative once it does not.
    var deadlinePlace = -1
    private var deadline: Instant?
    /// When a transport that should have ended is ended by force.
    private var finalDeadline: Instant?
    private var isEnded = false
    /// Whether this side has ended its side of TCP.
    private var outputHasEnded = false
    /// Whether the opening handshake was completed.
    var wasOpened = false
    private(set) var isTerminated = false
    /// A frame's header that the observer will be told with the payload's beginning.
    var observedHeader: FrameHeader?

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
        case handler(OnLoopReceiver)
        /// A task that will pull from the input on the loop.
        case task(UnsafeContinuation<Void, Never>)
        /// A task elsewhere, which gets a copy.
        case elsewhere(Wait, whole: Bool, ElsewhereContinuation)
    }

    /// What a task elsewhere gets: a message, or `nil` after the last.
    typealias ElsewhereContinuation = UnsafeContinuation<Result<Inbox.Item?, WebSocketError>, Never>

    /// A task that waits for a Pong.
    struct PingWaiter {
        var wait: Wait
        var number: UInt64
        var sentAt: Instant
        var continuation: UnsafeContinuation<Result<Duration, WebSocketError>, Never>
    }

    init(
        loop: Loop, id: UInt64, transport: any Transport, remoteAddress: String = "", owner: any ConnectionOwner,
        limits: BufferLimits,
        observer: (any LifecycleObserver)?, endpoint: consuming Endpoint
    ) {
        self.loop = loop
        self.id = id
        self.transport = transport
        self.remoteAddress = remoteAddress
        self.owner = owner
        self.limits = limits
        self.observer = observer
        self.endpoint = .allocate(capacity: 1)
        self.endpoint.initialize(to: endpoint)
        now = loop.driver.now()
        self.endpoint.pointee.reportsFrames = observer != nil
    }

    deinit {
        endpoint.deinitialize(count: 1)
        endpoint.deallocate()
    }

    /// How the connection ended; `nil` until it is decided.
    var outcome: CloseOutcome? { endpoint.pointee.outcome }

    // MARK: From the engine

    /// The byte stream is there.
    func established() {
        loop.beginTurn()
        loop.insert(self)
        observe(.connected(remoteAddress: remoteAddress))
        owner?.connectionEstablished(self)
        settle()
        loop.endTurn()
    }

    /// Bytes have arrived. They are parsed, and changed, where they lie, and needed no longer than this call takes.
    @inline(__always)
    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        guard !inputIsHeld else {
            held += bytes
            return
        }
        now = loop.driver.now()
        loop.beginTurn()
        input = ReadBuffer(bytes)
        deliverToReceiver()
        // A task that was waiting takes what it can straight from the input …
        loop.runReadyJobs()
        // … and what it leaves is kept for it: control frames are not to wait for the application.
        if borrowed != nil || !input.isEmpty { deliverToInbox() }
        // What lies behind a server's answer is for the handler that the answer has made ready.
        if !input.isEmpty {
            loop.runReadyJobs()
            if borrowed != nil || !input.isEmpty { deliverToInbox() }
        }
        settle()
        loop.endTurn()
    }

    /// The peer has ended its side of TCP.
    func inputEnded() {
        loop.beginTurn()
        now = loop.driver.now()
        observe(.inputEnded)
        held = []
        inputIsHeld = false
        endpoint.pointee.receiveEnd(at: now)
        settle()
        loop.endTurn()
    }

    /// The byte stream has failed.
    func failed(_ description: String, _ error: (any Error)? = nil) {
        loop.beginTurn()
        transportError = transportError ?? error
        now = loop.driver.now()
        endpoint.pointee.transportFailed(description, at: now)
        settle()
        loop.endTurn()
    }

    /// The transport takes bytes again.
    func outputDrained() {
        loop.beginTurn()
        now = loop.driver.now()
        unwritten = outbox.unawaitedSize
        drainControl()
        sendWaiting()
        if endpoint.pointee.request == nil { resumeHeldInput() }
        if case .handler(let handler) = receiver { handler.writable() }
        settle()
        loop.endTurn()
    }

    /// TCP has ended.
    func terminated() {
        guard !isTerminated else { return }
        isTerminated = true
        loop.beginTurn()
        now = loop.driver.now()
        endpoint.pointee.transportFailed("TCP was ended", at: now)
        noteEnd()
        observe(.tcpEnded)
        loop.remove(self)
        let owner = owner
        transport = nil
        self.owner = nil
        output = ByteBuffer()
        owner?.connectionTerminated(self)
        for waiter in terminationWaiters { waiter.resume() }
        terminationWaiters = []
        loop.endTurn()
    }

    /// The deadline that was set has come.
    func deadlineIsDue(at now: Instant) {
        self.now = now
        deadline = nil
        if let finalDeadline, now >= finalDeadline {
            self.finalDeadline = nil
            transport?.abort()
            return
        }
        endpoint.pointee.advance(to: now)
        settle()
    }

    // MARK: After each change

    /// Does what a change of the endpoint's state calls for.
    @inline(__always)
    func settle() {
        if endpoint.pointee.hasOutput { drainControl() }
        if endpoint.pointee.outcome != nil, !isEnded { noteEnd() }
        if endpoint.pointee.transportRequest != nil, !isDirty { carryOutTransportRequest() }
        setDeadline()
    }

    private func setDeadline() {
        let next = endpoint.pointee.deadline ?? finalDeadline
        guard next != deadline else { return }
        deadline = next
        loop.setDeadline(next, of: self)
    }

    /// Tells everybody who waits that the WebSocket is over.
    private func noteEnd() {
        guard !isEnded else { return }
        isEnded = true
        guard let outcome else { return }
        observe(.ended(outcome))
        owner?.connectionEnded(self)
        // A handler that is to see the end first sees what arrived before it.
        switch receiver {
        case .nobody: break
        case .handler(let handler):
            receiver = .nobody
            handler.closed(outcome)
        case .task(let continuation):
            receiver = .nobody
            continuation.resume()
        case .elsewhere(_, _, let continuation):
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
        guard let transport else { return }
        switch request {
        case .shutdownOutput:
            noteOutputEnd()
            transport.shutdownOutput()
        case .close:
            noteOutputEnd()
            endFinally()
            transport.close()
        case .abort: transport.abort()
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
        let mustPause =
            endpoint.pointee.phase == .open || endpoint.pointee.phase == .opening
            ? inputIsHeld || inbox.size >= (readingIsPaused ? limits.inbound.low : limits.inbound.high)
            : false
        if mustPause != readingIsPaused { changeReading(mustPause) }
    }

    private func changeReading(_ paused: Bool) {
        readingIsPaused = paused
        endpoint.pointee.setInputPaused(paused, at: loop.driver.now())
        transport?.setReading(!paused)
        observe(paused ? .readingPaused : .readingResumed)
        setDeadline()
    }
}
