import LifelineCore
import NIOCore

/// The inbound path: from the input to the receiver.
extension Connection {
    /// The result of ``pull()``.
    enum Pulled {
        /// A message, or a part of one, in place. It is valid until the endpoint parses on.
        case borrowed(BorrowedMessage)
        /// A message, or a part of one, from the inbox.
        case kept(Inbox.Item)
        /// No message yet.
        case nothing
        /// No message, and there will be none.
        case ended
    }

    /// Takes the next message, for a task on the loop. If the inbox is empty, it comes straight from the input.
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

    /// Takes a whole message straight from the input; `nil` if there is none, or if something comes before it.
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

    /// Delivers what has arrived to a receiver that is ready for it.
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

    /// Delivers all messages to the handler on the loop.
    @inline(__always)
    private func deliverToHandler() {
        // The receiver changes only when the connection ends, and then there are no more messages.
        guard case .handler(let handler) = receiver else { return }
        while let message = nextMessage() {
            assert(message.isFirst && message.isLast, "a handler on the loop gets whole messages")
            handler.received(ReceivedMessage(message))
        }
    }

    /// Puts the messages that the application has not taken into the inbox, so that the engine can go on.
    func deliverToInbox() {
        if let message = borrowed {
            borrowed = nil
            keep(message)
        }
        while let message = nextMessage() {
            deliver(message)
            // The rest stays unparsed: that takes less memory, and no time from other connections.
            if inbox.size >= limits.inbound.high, !input.isEmpty, endpoint.pointee.phase == .open {
                holdInput(.forInbox)
            }
        }
        setReading()
    }

    /// Delivers one message to the current receiver, or else to the inbox.
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
        // After this side's Close frame, reading goes on until the peer's arrives, even if the application receives nothing.
        guard inbox.size < limits.inbound.high || endpoint.pointee.phase == .open else {
            droppedMessages.count(message)
            return
        }
        inbox.append(Inbox.Item(message))
    }

    /// Parses up to the next message, and handles all other events on the way.
    ///
    /// - Returns: `nil` if there is no message, or if the connection's turn is over.
    @inline(__always)
    func nextMessage() -> BorrowedMessage? {
        while !loop.workIsSpent {
            // A copy, so that `endpoint` does not access `self.input`.
            var input = input
            let event = endpoint.pointee.receive(&input, at: now)
            self.input = input
            switch event {
            case .needsInput:
                return nil
            case .message(let kind, let bytes):
                loop.spend(WorkBudget.event &+ bytes.count)
                countReceived(kind, bytes.count, isLast: true)
                if isObserved { observeReceived(bytes, isFirst: true, isLast: true) }
                return BorrowedMessage(kind: kind, bytes: bytes, isFirst: true, isLast: true)
            case .chunk(let kind, let bytes, let isFirst, let isLast):
                loop.spend(WorkBudget.event &+ bytes.count)
                countReceived(kind, bytes.count, isLast: isLast)
                if isObserved { observeReceived(bytes, isFirst: isFirst, isLast: isLast) }
                return BorrowedMessage(kind: kind, bytes: bytes, isFirst: isFirst, isLast: isLast)
            default:
                guard handle(event) else { return nil }
            }
        }
        return nil
    }

    /// Handles an event that is not a message.
    ///
    /// - Returns: Whether to go on parsing.
    private func handle(_ event: Endpoint.Event) -> Bool {
        loop.spend(WorkBudget.event)
        switch event {
        case .inProgress:
            loop.spend(WorkBudget.inProgress)
        case .ping(let payload):
            countControlReceived(.ping, payload.count)
            observePayload(payload)
            drainControl()
        case .pong(let payload, let number, let roundTrip):
            countControlReceived(.pong, payload.count)
            observePayload(payload)
            if let number, let roundTrip { answerPings(upTo: number, roundTrip: roundTrip) }
        case .frame(let header):
            observeFrame(header)
        case .closed:
            if let frame = outcome?.received { countControlReceived(.close, frame.payloadSize) }
            observePayload(UnsafeRawBufferPointer(start: nil, count: 0))
            settle()
        case .request:
            loop.spend(WorkBudget.request)
            guard let request = endpoint.pointee.request else { return false }
            observe(.requestReceived(request.request))
            owner?.connection(self, received: request)
            // Responses must not accumulate for a client that sends requests without reading.
            if endpoint.pointee.phase == .opening, !flushIfLarge() {
                holdInput(.forAnswer)
                return false
            }
        case .awaitsAnswer:
            // Without input to hold, reading continues, so that a client's disconnection is detected.
            if !input.isEmpty { holdInput(.forAnswer) }
            return false
        case .opened:
            if let opening = endpoint.pointee.opening { observe(.responseReceived(opening.response)) }
            owner?.connectionOpened(self)
            return false
        case .requestBody(let bytes):
            loop.spend(bytes.count)
            receivedBody(bytes)
        case .requestBodyEnd:
            bodyEnded()
        case .needsInput, .message, .chunk:
            break
        }
        return true
    }

    /// Holds the rest of the input.
    private func holdInput(_ hold: InputHold) {
        self.hold = hold
        loop.endWork()
    }

    // MARK: Tasks

    /// Whether the current task is the handler's own; see ``handlerTask``.
    var isInHandlerTask: Bool {
        guard let handlerTask else { return false }
        return withUnsafeCurrentTask { $0 == handlerTask }
    }

    /// Whether a handler or a task waits for messages.
    var hasReceiver: Bool {
        if case .nobody = receiver { false } else { true }
    }

    /// Resumes when ``pull()`` has something, or ``cancelReceive()`` is called.
    ///
    /// A task of an actor may have left the loop between its `pull()` and this call. Messages that arrived meanwhile must not be
    /// missed.
    func wait(_ continuation: UnsafeContinuation<Void, Never>, isCancelled: Bool) {
        loop.assertOnLoop()
        if case .nobody = receiver, inbox.isEmpty, !endpoint.pointee.hasOutcome, !isCancelled {
            receiver = .task(continuation)
        } else {
            continuation.resume()
        }
    }

    /// A version of ``pull()`` that is not inlined, for slow paths.
    @inline(never)
    func pullSlowPath() -> Pulled { pull() }

    /// Joins an item to the parts of its message that an earlier stream left in the inbox.
    ///
    /// - Returns: The whole message; `nil` if parts are missing, or if streaming has taken its beginning.
    func join(_ item: Inbox.Item) -> Inbox.Item? {
        if item.isFirst, item.isLast { return item }
        return Connection.join(item, &partial)
    }

    /// Joins an item to the given parts of its message.
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

    /// Has messages delivered in parts, unless a handler or a task waits for whole ones; on the loop.
    ///
    /// - Returns: Whether they are delivered in parts.
    func beginStreaming() -> Bool {
        if hasReceiver { return false }
        streams += 1
        endpoint.pointee.delivery = .chunks
        // The parts that a receive of whole messages has joined so far come first.
        if let partial = partial.take() { inbox.prepend(partial) }
        return true
    }

    /// Has messages delivered whole again when the last reader stops streaming; on the loop.
    func endStreaming() {
        streams -= 1
        assert(streams >= 0)
        if streams == 0 { endpoint.pointee.delivery = .messages }
    }

    /// Resumes the task on the loop that waits for a message, without a message. The task checks itself whether it has been
    /// cancelled.
    func cancelReceive() {
        guard case .task(let continuation) = receiver else { return }
        receiver = .nobody
        continuation.resume()
    }

    /// Resumes a task that does not run on the loop with the next message, or part of one, or with `nil` after the last; on the
    /// loop.
    func receive(
        _ wait: Wait, whole: Bool, deadline: MonotonicInstant?, _ continuation: OffLoopContinuation
    ) {
        loop.assertOnLoop()
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

    /// Fails the task that registered `wait` with the error `cancelled`, if it is still waiting.
    func cancelReceive(_ wait: Wait) {
        guard case .offLoop(wait, _, let continuation) = receiver else { return }
        receiver = .nobody
        continuation.resume(returning: .failure(.cancelled))
    }
}
