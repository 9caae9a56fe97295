import LifelineCore
import NIOCore

/// The settings that all connections of a client or server share.
final class ConnectionSettings: Sendable {
    let limits: BufferLimits
    let observer: (any LifecycleObserver)?
    /// The maximum number of payload bytes that the observer receives.
    let payloadLimit: Int

    init(_ limits: BufferLimits, _ observers: [any LifecycleObserver]) {
        self.limits = limits
        observer = ObserverGroup.of(observers)
        payloadLimit = max(0, observer?.payloadLimit ?? 0)
    }
}

/// Counts messages that were dropped because no task received them.
struct DroppedMessages {
    private(set) var count = 0
    private(set) var bytes = 0

    mutating func count(_ message: Connection.BorrowedMessage) {
        if message.isFirst { count += 1 }
        bytes += message.bytes.count
    }
}

/// The limits of a peer that reads too slowly, at which the connection is aborted.
enum SlowPeerLimit {
    /// ``BufferLimits/stallTimeout``.
    case stallTimeout
    /// ``BufferLimits/maximumOutbound``.
    case maximumOutbound
}

/// Rarely needed state of a connection, allocated on demand so that idle connections stay small.
final class ConnectionColdState {
    /// Input that waits before it is parsed.
    @exclusivity(unchecked) var held = HeldInput()
    /// The parts so far of a message that arrived in chunks and that a task receives as a whole.
    @exclusivity(unchecked) var partial: Inbox.Item?
    /// Messages that arrived after this side's Close frame and that nobody received.
    @exclusivity(unchecked) var droppedMessages = DroppedMessages()
    @exclusivity(unchecked) var pings: [Connection.PingWaiter] = []
    /// The deadline of the current receive.
    @exclusivity(unchecked) var receiveTimeout: Connection.ReceiveTimeout?
    @exclusivity(unchecked) var terminationWaiters: [UnsafeContinuation<Void, Never>] = []
    /// The ordinary HTTP request that is being answered.
    @exclusivity(unchecked) var exchange = HTTPExchange()
    /// The limit at which the connection was aborted because its peer reads too slowly; `nil` if it was not.
    @exclusivity(unchecked) var slowPeerLimit: SlowPeerLimit?
    /// The first error of the byte stream.
    @exclusivity(unchecked) var transportError: (any Error)?
    /// The header of a received frame that is reported to the observer once its payload is known.
    @exclusivity(unchecked) var observedHeader: FrameHeader?
    /// Whether the last event about writing that the observer received was `writingPaused`.
    @exclusivity(unchecked) var observedFull = false
    /// The summary of the message that is being received, for the observer.
    @exclusivity(unchecked) var observedIncoming: LifecycleEvent.MessageSummary?
    /// The summary of the message that is being sent, for the observer.
    @exclusivity(unchecked) var observedOutgoing: LifecycleEvent.MessageSummary?
}

extension Connection {
    /// The cold state, which is allocated on first use.
    private var allocatedColdState: ConnectionColdState {
        if let coldState { return coldState }
        let made = ConnectionColdState()
        coldState = made
        return made
    }

    var held: HeldInput {
        get { coldState?.held ?? HeldInput() }
        _modify { yield &allocatedColdState.held }
    }

    var partial: Inbox.Item? {
        get { coldState?.partial }
        _modify { yield &allocatedColdState.partial }
    }

    var droppedMessages: DroppedMessages {
        get { coldState?.droppedMessages ?? DroppedMessages() }
        _modify { yield &allocatedColdState.droppedMessages }
    }

    var pings: [PingWaiter] {
        get { coldState?.pings ?? [] }
        _modify { yield &allocatedColdState.pings }
    }

    var receiveTimeout: ReceiveTimeout? {
        get { coldState?.receiveTimeout }
        _modify { yield &allocatedColdState.receiveTimeout }
    }

    var terminationWaiters: [UnsafeContinuation<Void, Never>] {
        get { coldState?.terminationWaiters ?? [] }
        _modify { yield &allocatedColdState.terminationWaiters }
    }

    var exchange: HTTPExchange {
        get { coldState?.exchange ?? HTTPExchange() }
        _modify { yield &allocatedColdState.exchange }
    }

    var slowPeerLimit: SlowPeerLimit? {
        get { coldState?.slowPeerLimit }
        _modify { yield &allocatedColdState.slowPeerLimit }
    }

    var transportError: (any Error)? {
        get { coldState?.transportError }
        _modify { yield &allocatedColdState.transportError }
    }

    var observedHeader: FrameHeader? {
        get { coldState?.observedHeader }
        _modify { yield &allocatedColdState.observedHeader }
    }

    var observedIncoming: LifecycleEvent.MessageSummary? {
        get { coldState?.observedIncoming }
        _modify { yield &allocatedColdState.observedIncoming }
    }

    var observedOutgoing: LifecycleEvent.MessageSummary? {
        get { coldState?.observedOutgoing }
        _modify { yield &allocatedColdState.observedOutgoing }
    }

    var observedFull: Bool {
        get { coldState?.observedFull ?? false }
        _modify { yield &allocatedColdState.observedFull }
    }
}
