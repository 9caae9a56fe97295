/// One side of one WebSocket connection, from the first byte of the handshake to the end of TCP, without any I/O
/// ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455)).
///
/// Bytes and instants go in, events and bytes come out. The endpoint knows no socket, clock, thread or lock, and is
/// deterministic: the same bytes at the same instants with the same randomness give the same events, wherever the bytes
/// are split.
///
/// Whoever drives it
/// - passes what arrives to ``receive(_:at:)`` until that answers ``Endpoint/Event/needsInput``; ``Endpoint/Event/inProgress`` is where it may
///   do something else in between,
/// - writes what ``drainOutput(random:_:)`` hands out whenever ``hasOutput`` is set,
/// - calls ``advance(to:)`` at the ``deadline``,
/// - and, when all is written, does what ``transportRequest`` says.
public struct Endpoint: ~Copyable {
    /// Where a connection stands in its life.
    public enum Phase: Hashable, Sendable {
        /// The opening handshake is under way (§4).
        case opening
        /// Messages may be sent and received (§5, §6).
        case open
        /// This side has sent its Close frame and waits for the peer's (§7). Messages may be received until it comes.
        case closing
        /// The WebSocket is over; TCP is yet to end.
        case ending
        /// TCP has ended.
        case closed
    }

    /// The side that this endpoint plays.
    public let role: WebSocketRole
    /// Where the connection stands.
    public internal(set) var phase: Phase = .opening
    /// How the connection ended; `nil` until it is decided.
    public internal(set) var outcome: CloseOutcome? {
        get { coldState?.outcome }
        set {
            extra.outcome = newValue
            hasOutcome = newValue != nil
        }
    }
    /// Whether it is decided how the connection ended.
    public private(set) var hasOutcome = false
    /// Why a client's opening handshake failed, where the server's answer was the reason.
    public internal(set) var handshakeFailure: HandshakeFailure? {
        get { coldState?.handshakeFailure }
        set { extra.handshakeFailure = newValue }
    }
    /// What the transport is to do once all output is written. The driver clears it when it has been done.
    public var transportRequest: Endpoint.TransportRequest?
    /// How messages are handed out. A change in the middle of a message takes hold at once in favour of chunks (what has
    /// been put together comes as the first), and with the next message in favour of whole ones.
    public var delivery: Endpoint.Delivery = .messages
    /// Whether each frame's header is reported as an ``Endpoint/Event/frame(_:)`` of its own.
    public var reportsFrames = false

    /// The time of the last round trip that a Pong measured.
    public internal(set) var roundTripTime: Duration?

    private let sharedConfiguration: SharedEndpointConfiguration
    var configuration: EndpointConfiguration { sharedConfiguration.value }
    var reader: FrameReader
    var heartbeat: Heartbeat
    /// What there is only now and then.
    var coldState: EndpointColdState?
    /// What compression needs; `nil` where none was agreed on.
    var compression: CompressionState?

    /// The opening handshake while it lasts; afterwards what was asked and agreed is the driver's to keep.
    var handshake: OpeningHandshake?
    /// The fragments of the message that is put together, and whether they have been handed out as a whole.
    var assembly: ByteStore
    var assemblyIsDelivered = false
    /// Whether the payload of a control frame that came in pieces has been handed out.
    var controlPayloadIsDelivered = false
    var validator = UTF8Validator()
    /// Whether a part of the message that is being read has been handed out as a chunk.
    var isInsideChunkedMessage = false
    /// Whether the header that was read last has been reported.
    var frameIsReported = false

    /// Whether a fragmented message is being sent, and of which kind.
    public internal(set) var isSendingFragments = false

    /// When the closing handshake, or the end of TCP after it, is given up.
    var endDeadline: MonotonicInstant?
    /// The Close frame that this side has asked to send.
    var closeSent: CloseFrame? { coldState?.closeSent }

    /// A server's side of a connection that was just accepted.
    ///
    /// - Parameters:
    ///   - configuration: Its limits and times.
    ///   - now: The instant at which it begins.
    ///   - random: Where the first Ping's time and the Pings' numbers come from.
    ///   - memory: Where large messages are put together; without one, memory comes from the system each time.
    public init(
        server configuration: EndpointConfiguration, at now: MonotonicInstant, random: inout RandomPool,
        memory: MemoryPool? = nil
    ) {
        self.init(server: SharedEndpointConfiguration(configuration), at: now, random: &random, memory: memory)
    }

    /// A server's side of a connection, with limits and times that other connections share.
    package init(
        server shared: SharedEndpointConfiguration, at now: MonotonicInstant, random: inout RandomPool,
        memory: MemoryPool? = nil
    ) {
        let configuration = shared.value
        role = .server
        assembly = ByteStore(pool: memory)
        sharedConfiguration = shared
        reader = FrameReader(role: .server, limits: configuration.frameLimits)
        heartbeat = Heartbeat(configuration.heartbeat, at: now, random: &random)
        handshake = OpeningHandshake(
            .readingRequest, deadline: now.advanced(by: configuration.handshakeTimeout))
    }

    /// A client's side of a connection that was just established; the request is its first output.
    ///
    /// - Parameters:
    ///   - request: What is asked of the server.
    ///   - configuration: Its limits and times.
    ///   - now: The instant at which it begins.
    ///   - random: Where the first Ping's time and the Pings' numbers come from.
    ///   - memory: Where large messages are put together; without one, memory comes from the system each time.
    public init(
        client request: ClientHandshake, configuration: EndpointConfiguration, at now: MonotonicInstant,
        random: inout RandomPool, memory: MemoryPool? = nil
    ) {
        role = .client
        assembly = ByteStore(pool: memory)
        sharedConfiguration = SharedEndpointConfiguration(configuration)
        reader = FrameReader(role: .client, limits: configuration.frameLimits)
        heartbeat = Heartbeat(configuration.heartbeat, at: now, random: &random)
        let handshake = OpeningHandshake(
            .readingResponse(request), deadline: now.advanced(by: configuration.handshakeTimeout))
        handshake.output = HTTPHeadWriter.encode(request.request)
        self.handshake = handshake
    }

    /// Reads on in the caller's bytes up to the next event.
    ///
    /// All of the bytes are read before ``Endpoint/Event/needsInput`` is returned, so the caller may use their memory for something
    /// else then; only under ``Endpoint/Event/awaitsAnswer`` and ``Endpoint/Event/inProgress`` are bytes left over.
    ///
    /// One call unmasks, checks and copies what of a payload is in the input, and goes no further than to the next event. What
    /// may cost more than the bytes tell is bounded: a call decompresses 64 KiB at most, of 64 KiB on the wire, and reads 256
    /// frames that give no event. It returns ``Endpoint/Event/inProgress`` then.
    public mutating func receive(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        if isBetweenMessages {
            if let (kind, payload, isValid) = reader.readWholeMessage(&input) {
                heartbeat.heard(at: now)
                guard isValid else { return fail(.invalidUTF8, at: now) }
                return .message(kind, payload)
            }
            if input.isEmpty, !reader.isInsideFrame { return .needsInput }
        }
        return receiveClosely(&input, at: now)
    }

    /// Whether the connection is open and the next thing to come is a message, handed out as a whole, with nothing left to
    /// do about what came before.
    @inline(__always)
    private var isBetweenMessages: Bool {
        phase == .open && delivery == .messages && !reportsFrames && handshake == nil && !assemblyIsDelivered
            && !controlPayloadIsDelivered && !isInsideChunkedMessage
    }

    /// Reads on where anything may come.
    @inline(never)
    private mutating func receiveClosely(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        releaseDelivered()
        if !input.isEmpty { heartbeat.heard(at: now) }
        switch phase {
        case .open, .closing:
            if handshake != nil { releaseHandshake() }
            return receiveFrames(&input, at: now)
        case .opening: return receiveHandshake(&input, at: now)
        case .ending, .closed:
            // Frames after Close, and whatever follows a failure, are read so that TCP can end, and mean nothing.
            input.skip(input.count)
            return .needsInput
        }
    }

    /// Notes that the peer has ended its side of TCP: no more bytes will come.
    public mutating func receiveEnd(at now: MonotonicInstant) {
        switch phase {
        case .opening:
            if !endWithRefusal() { abandon(.endOfStream(insideFrame: false), by: .peer) }
        case .open, .closing:
            abandon(.endOfStream(insideFrame: !reader.isAtBoundary), by: .peer)
        case .ending:
            break
        case .closed:
            return
        }
        // What is left to write, a Close frame perhaps, is written before.
        transportRequest = .close
        phase = .closed
    }

    /// Notes that the transport has failed, by a reset from the peer for instance; nothing can be sent any more.
    public mutating func transportFailed(_ description: String, at now: MonotonicInstant) {
        guard phase != .closed else { return }
        if phase != .ending { abandon(.transport(description), by: .peer) }
        endNow()
    }

    /// Gives the connection up at once, without a closing handshake.
    public mutating func abort(_ reason: String) {
        guard phase != .closed else { return }
        if phase != .ending { abandon(.aborted(reason), by: .local) }
        endNow()
    }

    /// The next instant at which ``advance(to:)`` has something to do, or `nil` where there is none.
    public var deadline: MonotonicInstant? {
        switch phase {
        case .opening: handshake?.deadline
        case .open: openDeadline
        case .closing, .ending: endDeadline
        case .closed: nil
        }
    }

    @inline(__always)
    private var openDeadline: MonotonicInstant? {
        guard let idle = compression?.idleDeadline else { return heartbeat.deadline }
        return min(heartbeat.deadline ?? idle, idle)
    }

    /// Does what is due at `now`: sends a Ping, or ends what has taken too long.
    public mutating func advance(to now: MonotonicInstant) {
        guard let deadline, now >= deadline else { return }
        switch phase {
        case .opening:
            if request != nil { return answerIsLate(at: now) }
            if !endWithRefusal() {
                abandon(.handshakeTimedOut(after: configuration.handshakeTimeout), by: .local)
            }
            endNow()
        case .open:
            compression?.advance(to: now)
            switch heartbeat.advance(to: now) {
            case .nothing: break
            case .ping: if coldState?.control.ping == nil { _ = ping(at: now) }
            case .peerIsDead: giveUpSilentPeer(at: now)
            }
        case .closing:
            abandon(.closeTimedOut(after: configuration.closeTimeout), by: .local)
            endNow()
        case .ending:
            endNow()
        case .closed: break
        }
    }

    /// Notes that the driver has stopped reading, or reads on. While it does not read, silence proves nothing.
    public mutating func setInputPaused(_ paused: Bool, at now: MonotonicInstant) {
        heartbeat.setDeaf(paused, at: now)
    }

    /// How long the closing handshake, and the end of TCP after it, may take.
    public var closeTimeout: Duration { configuration.closeTimeout }

    /// How long a Ping's answer may take.
    public var pongTimeout: Duration { configuration.heartbeat.timeout }

    /// Notes that the peer has taken bytes off the wire, which proves that it lives as well as bytes from it do.
    public mutating func noteOutputProgress(at now: MonotonicInstant) {
        heartbeat.heard(at: now)
    }

    // MARK: Ends

    /// Gives back, at the WebSocket's end, everything that is held of pools and budgets: the compressor, the decompressor, their
    /// windows, and what a message was put together in. What there is to tell stays: the outcome, the agreement on compression
    /// and the ``compressionStatistics``.
    ///
    /// Nothing is sent compressed, and no data received, from here on: a connection whose end was not decided yet is given up.
    ///
    /// - Parameter keepsPayload: Whether the payload of the last event is still in use. What it lies in is kept then, until the next
    ///   `receive`, of no bytes perhaps, or the next call of this.
    package mutating func releaseResources(keepsPayload: Bool) {
        if !hasOutcome { abort("what it needs was given back") }
        compression?.release()
        if keepsPayload, assemblyIsDelivered { return }
        assembly.removeAll()
        assemblyIsDelivered = false
    }

    /// Decides the outcome of a connection that ends without a completed closing handshake.
    mutating func abandon(_ failure: ConnectionFailure, by initiator: CloseOutcome.Initiator) {
        guard outcome == nil else { return }
        // Who sent a Close frame began the end, whatever became of it.
        outcome = CloseOutcome(
            initiator: closeSent == nil ? initiator : .local, sent: closeSent, received: nil, failure: failure)
    }

    /// Ends TCP without waiting for the peer any longer.
    private mutating func endNow() {
        coldState?.control = ControlOutput()
        handshake?.output = []
        transportRequest = .abort
        phase = .closed
    }

    /// Frees what the opening handshake needed, once it has been written.
    private mutating func releaseHandshake() {
        if handshake?.output.isEmpty == true { handshake = nil }
    }

    /// The same as ``coldState``, made where there is none.
    var extra: EndpointColdState {
        mutating get {
            if let coldState { return coldState }
            let made = EndpointColdState()
            coldState = made
            return made
        }
    }

    /// Frees what there was only for a while.
    mutating func releaseExtras() {
        if let coldState, coldState.isEmpty { self.coldState = nil }
    }

    /// Frees what the event before lent out.
    @inline(__always)
    private mutating func releaseDelivered() {
        if assemblyIsDelivered {
            assembly.removeAll()
            assemblyIsDelivered = false
        }
        if controlPayloadIsDelivered {
            coldState?.controlPayload.removeAll()
            controlPayloadIsDelivered = false
            releaseExtras()
        }
    }
}
