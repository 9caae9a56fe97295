import LifelineCore
import NIOCore

/// What many connections share.
final class ConnectionSettings: Sendable {
    let limits: BufferLimits
    let observer: (any LifecycleObserver)?
    /// The most bytes of a payload that the observer wants to see.
    let payloadLimit: Int

    init(_ limits: BufferLimits, _ observers: [any LifecycleObserver]) {
        self.limits = limits
        observer = ObserverGroup.of(observers)
        payloadLimit = max(0, observer?.payloadLimit ?? 0)
    }
}

/// Messages that were dropped because nobody received them.
struct DroppedMessages {
    private(set) var count = 0
    private(set) var bytes = 0

    mutating func count(_ message: Connection.BorrowedMessage) {
        if message.isFirst { count += 1 }
        bytes += message.bytes.count
    }
}

/// What a connection has only when something is up. An idle one has none of it.
final class ConnectionColdState {
    /// Bytes that are not parsed yet: behind a request that waits for its answer, or behind more than the inbox takes.
    @exclusivity(unchecked) var held: [UInt8] = []
    /// How many of them have been parsed.
    @exclusivity(unchecked) var heldStart = 0
    /// The parts so far of a message that a task receives as a whole, but that arrived as chunks.
    @exclusivity(unchecked) var partial: Inbox.Item?
    /// Messages that came behind this side's Close frame, and that nobody received.
    @exclusivity(unchecked) var droppedMessages = DroppedMessages()
    @exclusivity(unchecked) var pings: [Connection.PingWaiter] = []
    /// The receive that ends at a deadline.
    @exclusivity(unchecked) var receiveTimeout: Connection.ReceiveTimeout?
    @exclusivity(unchecked) var terminationWaiters: [UnsafeContinuation<Void, Never>] = []
    /// The first error of the byte stream.
    @exclusivity(unchecked) var transportError: (any Error)?
    /// A frame's header that the observer will be told with the payload's beginning.
    @exclusivity(unchecked) var observedHeader: FrameHeader?
    /// Whether the observer has been told that the transport takes no more.
    @exclusivity(unchecked) var observedFull = false
    /// The message that is being received, as far as the observer will be told of it.
    @exclusivity(unchecked) var observedIncoming: LifecycleEvent.MessageSummary?
    /// The message that is being sent.
    @exclusivity(unchecked) var observedOutgoing: LifecycleEvent.MessageSummary?
}

extension Connection {
    /// Made where there are none.
    private var extra: ConnectionColdState {
        if let coldState { return coldState }
        let made = ConnectionColdState()
        coldState = made
        return made
    }

    var held: [UInt8] {
        get { coldState?.held ?? [] }
        _modify { yield &extra.held }
    }

    var heldStart: Int {
        get { coldState?.heldStart ?? 0 }
        _modify { yield &extra.heldStart }
    }

    var partial: Inbox.Item? {
        get { coldState?.partial }
        _modify { yield &extra.partial }
    }

    var droppedMessages: DroppedMessages {
        get { coldState?.droppedMessages ?? DroppedMessages() }
        _modify { yield &extra.droppedMessages }
    }

    var pings: [PingWaiter] {
        get { coldState?.pings ?? [] }
        _modify { yield &extra.pings }
    }

    var receiveTimeout: ReceiveTimeout? {
        get { coldState?.receiveTimeout }
        _modify { yield &extra.receiveTimeout }
    }

    var terminationWaiters: [UnsafeContinuation<Void, Never>] {
        get { coldState?.terminationWaiters ?? [] }
        _modify { yield &extra.terminationWaiters }
    }

    var transportError: (any Error)? {
        get { coldState?.transportError }
        _modify { yield &extra.transportError }
    }

    var observedHeader: FrameHeader? {
        get { coldState?.observedHeader }
        _modify { yield &extra.observedHeader }
    }

    var observedIncoming: LifecycleEvent.MessageSummary? {
        get { coldState?.observedIncoming }
        _modify { yield &extra.observedIncoming }
    }

    var observedOutgoing: LifecycleEvent.MessageSummary? {
        get { coldState?.observedOutgoing }
        _modify { yield &extra.observedOutgoing }
    }

    var observedFull: Bool {
        get { coldState?.observedFull ?? false }
        _modify { yield &extra.observedFull }
    }
}
