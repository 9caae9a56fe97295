import LifelineCore
import NIOCore

/// From the input to whoever receives.
extension Connection {
    /// What a pull found.
    enum Pulled {
        /// A message, or a part of one, where it lies; valid until the endpoint reads on.
        case borrowed(BorrowedMessage)
        /// One that was kept.
        case kept(Inbox.Item)
        /// Nothing yet.
        case nothing
        /// Nothing any more.
        case ended
    }

    /// The next message, for a task on the loop. It comes straight from the input where the inbox is empty.
    @inline(__always)
    func pull() -> Pulled {
        if let message = borrowed {
            borrowed = nil
            return .borrowed(message)
        }
        if !inbox.isEmpty, let item = inbox.popFirst() {
            if readingIsPaused { setReading() }
            return .kept(item)
        }
        if !input.isEmpty, let message = nextMessage() { return .borrowed(message) }
        return endpoint.pointee.hasOutcome ? .ended : .nothing
    }

    /// A whole message from the input, where one is there and nothing comes before it.
    @inline(__always)
    func pullWhole() -> BorrowedMessage? {
        guard inbox.isEmpty, streams == 0, partial == nil else { return nil }
        if let message = borrowed {
            guard message.isFirst, message.isLast else { return nil }
            borrowed = nil
            return message
        }
        guard !input.isEmpty, let message = nextMessage() else { return nil }
        if message.isFirst, message.isLast { return message }
        borrowed = message
        return nil
    }

    /// Brings what has arrived to a receiver that is ready for it.
    @inline(__always)
    func deliverToReceiver() {
        switch receiver {
        case .handler: deliverToHandler()
        case .task(let continuation):
            if let message = nextMessage() {
                borrowed = message
                receiver = .nobody
                continuation.resume()
            }
        case .offLoop, .nobody:
            break
        }
    }

    /// Brings messages to the handler on the loop for as long as there are some.
    @inline(__always)
    private func deliverToHandler() {
        // It stays the receiver for as long as there are messages: those end when the connection does.
        guard case .handler(let handler) = receiver else { return }
        while let message = nextMessage() {
            assert(message.isFirst && message.isLast, "a handler on the loop gets whole messages")
            handler.received(ReceivedMessage(message))
        }
    }

    /// Keeps what a busy application has not taken, and lets the engine go on.
    func deliverToInbox() {
        if let message = borrowed {
            borrowed = nil
            keep(message)
        }
        while let message = nextMessage() {
            deliver(message)
            // As bytes they take less than as messages, and cannot make the other connections wait.
            if inbox.size >= limits.inbound.high, !input.isEmpty, endpoint.pointee.phase == .open {
                holdInput(.forInbox)
            }
        }
        setReading()
    }

    /// Brings one message to whoever receives at this moment.
    private func deliver(_ message: BorrowedMessage) {
        switch receiver {
        case .handler(let handler):
            handler.received(ReceivedMessage(message))
        case .task(let continuation):
            keep(message)
            receiver = .nobody
            continuation.resume()
        case .offLoop(_, let whole, let continuation):
            guard let item = whole ? join(Inbox.Item(message)) : Inbox.Item(message) else { return }
            receiver = .nobody
            continuation.resume(returning: .success(item))
        case .nobody:
            keep(message)
        }
    }

    private func keep(_ message: BorrowedMessage) {
        // Once this side has closed, reading goes on for the peer's answer, whether or not anybody receives.
        guard inbox.size < limits.inbound.high || endpoint.pointee.phase == .open else {
            droppedMessages.count(message)
            return
        }
        inbox.append(Inbox.Item(message))
    }

    /// Parses on up to the next message, and handles everything else on the way; `nil` where there is none, or the
    /// connection has had its turn.
    @inline(__always)
    func nextMessage() -> BorrowedMessage? {
        while !loop.workIsSpent {
            // A copy, so that the endpoint and the connection are not changed through one another.
            var input = input
            let event = endpoint.pointee.receive(&input, at: now)
            self.input = input
            switch event {
            case .needsInput:
                return nil
            case .message(let kind, let bytes):
                loop.spend(WorkBudget.event &+ bytes.count)
                if isObserved { observeReceived(bytes, isFirst: true, isLast: true) }
                return BorrowedMessage(kind: kind, bytes: bytes, isFirst: true, isLast: true)
            case .chunk(let kind, let bytes, let isFirst, let isLast):
                loop.spend(WorkBudget.event &+ bytes.count)
                if isObserved { observeReceived(bytes, isFirst: isFirst, isLast: isLast) }
                return BorrowedMessage(kind: kind, bytes: bytes, isFirst: isFirst, isLast: isLast)
            default:
                guard handle(event) else { return nil }
            }
        }
        return nil
    }

    /// Handles an event that is no message.
    ///
    /// - Returns: Whether to parse on.
    private func handle(_ event: Endpoint.Event) -> Bool {
        loop.spend(WorkBudget.event)
        switch event {
        case .inProgress:
            loop.spend(WorkBudget.inProgress)
        case .ping(let payload):
            observePayload(payload)
            drainControl()
        case .pong(let payload, let number, let roundTrip):
            observePayload(payload)
            if let number, let roundTrip { answerPings(upTo: number, roundTrip: roundTrip) }
        case .frame(let header):
            observeFrame(header)
        case .closed:
            observePayload(UnsafeRawBufferPointer(start: nil, count: 0))
            settle()
        case .request:
            loop.spend(WorkBudget.request)
            guard let request = endpoint.pointee.request else { return false }
            observe(.requestReceived(request.request))
            owner?.connection(self, received: request)
            // Who sends requests and does not read the answers must not make them pile up here.
            if endpoint.pointee.phase == .opening, !relieveOutput() {
                holdInput(.forAnswer)
                return false
            }
        case .awaitsAnswer:
            // With nothing to hold, reading goes on, so that the end of a client that goes away is seen.
            if !input.isEmpty { holdInput(.forAnswer) }
            return false
        case .opened:
            if let opening = endpoint.pointee.opening { observe(.responseReceived(opening.response)) }
            owner?.connectionOpened(self)
            return false
        case .needsInput, .message, .chunk:
            break
        }
        return true
    }

    /// Has the rest of the input wait.
    private func holdInput(_ hold: InputHold) {
        self.hold = hold
        loop.endWork()
    }

    // MARK: Tasks

    /// Whether the current task is the handler's own, whose cancellation is watched already.
    var isInHandlerTask: Bool {
        guard let handlerTask else { return false }
        return withUnsafeCurrentTask { $0 == handlerTask }
    }

    /// Whether somebody waits for messages.
    var hasReceiver: Bool {
        if case .nobody = receiver { false } else { true }
    }

    /// Resumes when ``pull()`` has something, or ``cancelReceive()`` is called.
    ///
    /// The task of an actor may have been back at it since it found nothing; what has come meanwhile must not be missed.
    func wait(_ continuation: UnsafeContinuation<Void, Never>, isCancelled: Bool) {
        loop.assertOnLoop()
        if case .nobody = receiver, inbox.isEmpty, !endpoint.pointee.hasOutcome, !isCancelled {
            receiver = .task(continuation)
        } else {
            continuation.resume()
        }
    }

    /// The same as ``pull()``, apart from its caller.
    @inline(never)
    func pullClosely() -> Pulled { pull() }

    /// Puts the parts of a message together that streaming left behind, and skips those of one whose beginning it took.
    func join(_ item: Inbox.Item) -> Inbox.Item? {
        if item.isFirst, item.isLast { return item }
        return Connection.join(item, &partial)
    }

    /// The same with the parts so far.
    static func join(_ item: Inbox.Item, _ partial: inout Inbox.Item?) -> Inbox.Item? {
        var whole = item
        if !item.isFirst {
            guard var before = partial.take() else { return nil }
            before.bytes.writeImmutableBuffer(item.bytes)
            before.isLast = item.isLast
            whole = before
        }
        if whole.isLast { return whole }
        partial = whole
        return nil
    }

    /// Has messages delivered in parts, unless somebody waits for whole ones, or handles them; on the loop.
    ///
    /// - Returns: Whether they are.
    func beginStreaming() -> Bool {
        if hasReceiver { return false }
        streams += 1
        endpoint.pointee.delivery = .chunks
        // What a receive of whole messages has begun to put together is the first part.
        if let partial = partial.take() { inbox.prepend(partial) }
        return true
    }

    /// Has messages delivered whole again, unless somebody else streams; on the loop.
    func endStreaming() {
        streams -= 1
        assert(streams >= 0)
        if streams == 0 { endpoint.pointee.delivery = .messages }
    }

    /// Wakes the task on the loop that waits for a message; it looks itself whether it has been cancelled. Nothing has been
    /// taken for it.
    func cancelReceive() {
        guard case .task(let continuation) = receiver else { return }
        receiver = .nobody
        continuation.resume()
    }

    /// Resumes with the next message, or part of one, for a task that does not run on the loop; with `nil` after the last.
    func receive(
        _ wait: Wait, whole: Bool, deadline: MonotonicInstant?, _ continuation: OffLoopContinuation
    ) {
        guard case .nobody = receiver else { return continuation.resume(returning: .failure(.concurrentReceive)) }
        guard !wait.isCancelled else { return continuation.resume(returning: .failure(.cancelled)) }
        while let item = inbox.popFirst() {
            setReading()
            guard let item = whole ? join(item) : item else { continue }
            return continuation.resume(returning: .success(item))
        }
        if outcome != nil {
            continuation.resume(returning: .success(nil))
        } else {
            receiver = .offLoop(wait, whole: whole, continuation)
            if let deadline { endReceive(wait, at: deadline) }
        }
    }

    /// Wakes the task with this wait, if it still waits. Nothing has been taken for it.
    func cancelReceive(_ wait: Wait) {
        guard case .offLoop(wait, _, let continuation) = receiver else { return }
        receiver = .nobody
        continuation.resume(returning: .failure(.cancelled))
    }
}
