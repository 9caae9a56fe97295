/// The protocol state of a client or server on one WebSocket connection, without any I/O
/// ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455)).
///
/// A driver passes bytes and instants in, and takes events and bytes out. The endpoint knows no socket, clock, thread or lock. It is
/// deterministic: the same bytes at the same instants with the same randomness give the same events, wherever the bytes are split.
/// Only the number of ``Endpoint/Event/inProgress`` events depends on that.
///
/// ## What the methods do
///
/// *Take input in, and change the state:*
/// - ``receive(_:at:)`` reads bytes from the peer and returns the next event.
/// - ``receiveEnd(at:)`` and ``transportFailed(_:at:)`` report the end and the failure of the transport.
/// - ``advance(to:)`` reports that time has passed.
/// - ``setInputPaused(_:at:)`` and ``noteOutputProgress(at:)`` report whether the driver reads, and whether the peer does.
/// - ``directWindow(for:)`` returns memory to receive into, and may allocate it.
///
/// *Change the state at the application's request:*
/// - ``accept(_:compression:at:random:)``, ``respond(_:body:at:)`` and ``refuse(_:at:)`` answer a server's ``request``.
/// - ``dataFrame(_:_:payloadLength:isCompressed:random:)`` and ``compress(_:_:_:at:)`` prepare a data frame, which the driver writes.
/// - ``ping(at:)``, ``close(_:at:)`` and ``abort(_:)`` send a Ping, begin the closing handshake, and abort the
///   connection.
/// - ``delivery`` and ``reportsFrames`` choose how messages are handed out.
///
/// *Returns output:*
/// - ``drainOutput(random:_:)`` writes the heads of the opening handshake and control frames.
///
/// *Read the state, and change nothing:* ``phase``, ``deadline``, ``hasOutput``, ``transportRequest``, ``outcome``,
/// ``request``, ``opening``, ``refusal``, ``handshakeFailure``, ``compressionAgreement``, ``compressionStatistics``,
/// ``roundTripTime`` and all other properties.
///
/// ## The order of calls
///
/// After each call that changes the state, the driver
/// 1. writes what ``drainOutput(random:_:)`` hands out, if ``hasOutput`` is set and the transport takes bytes. Data frames must not
///    overtake it;
/// 2. does what ``transportRequest`` says once everything is written, and then clears it;
/// 3. arranges to call ``advance(to:)`` at the ``deadline``, which may have changed.
///
/// When bytes arrive, it calls ``receive(_:at:)`` until that returns ``Endpoint/Event/needsInput``, handling each event before the
/// next call: payloads are valid until then. It must pass a server's early bytes in again after it has answered a request
/// (``Endpoint/Event/awaitsAnswer``), and may serve other connections after ``Endpoint/Event/inProgress``. The connection has ended
/// when ``phase`` is ``Phase/closed``; the endpoint may be dropped then, or at any time before. <doc:DriveAnEndpoint> has an example.
public struct Endpoint: ~Copyable {
    /// The phases of a connection, in their order.
    public enum Phase: Hashable, Sendable {
        /// The opening handshake is under way (§4).
        case opening
        /// Messages may be sent and received (§5, §6).
        case open
        /// This side has sent its Close frame and waits for the peer's (§7). Messages may be received until it comes.
        case closing
        /// The WebSocket has ended, and TCP has not.
        case ending
        /// TCP has ended.
        case closed
    }

    /// Whether this endpoint is the client or the server.
    public let role: WebSocketRole
    /// The current phase.
    public internal(set) var phase: Phase = .opening
    /// How the connection ended; `nil` until that is decided. It is decided once.
    public internal(set) var outcome: CloseOutcome? {
        get { coldState?.outcome }
        set {
            makeColdState().outcome = newValue
            hasOutcome = newValue != nil
        }
    }
    /// Whether ``outcome`` is decided; faster to read than that.
    package private(set) var hasOutcome = false
    /// A client: why its opening handshake failed, if the server's response was the reason.
    public internal(set) var handshakeFailure: HandshakeFailure? {
        get { coldState?.handshakeFailure }
        set { makeColdState().handshakeFailure = newValue }
    }
    /// What the driver must do with the transport once all output is written. The driver sets it to `nil` when it has done that.
    public var transportRequest: Endpoint.TransportRequest?
    /// How messages are handed out. Default: ``Delivery/messages``.
    ///
    /// It may change at any time. In the middle of a message, a change to chunks takes effect at once: what has been assembled comes as
    /// the first chunk. A change to whole messages takes effect with the next message.
    public var delivery: Endpoint.Delivery = .messages
    /// Whether each frame's header is reported as an ``Endpoint/Event/frame(_:)``. Default: `false`.
    public var reportsFrames = false

    /// The latest round-trip time that a Pong measured; `nil` before the first.
    public internal(set) var roundTripTime: Duration?

    private var sharedConfiguration: SharedEndpointConfiguration
    var configuration: EndpointConfiguration { sharedConfiguration.value }
    var reader: FrameReader
    var heartbeat: Heartbeat
    /// Rarely needed state, allocated on demand so that idle connections stay small.
    var coldState: EndpointColdState?
    /// The state of compression; `nil` if none was agreed.
    var compression: CompressionState?

    /// The opening handshake while it lasts. The driver keeps what it needs of the request and the agreement.
    var handshake: OpeningHandshake?
    /// The message that is being assembled from fragments or inflated data.
    var assembly: ByteStore
    /// Whether the last event's payload lies in ``assembly``.
    var assemblyIsDelivered = false
    /// Whether the last event's payload is that of a control frame that came in pieces.
    var controlPayloadIsDelivered = false
    var validator = UTF8Validator()
    /// Whether a chunk of the message that is being read has been handed out.
    var isInsideChunkedMessage = false
    /// Whether the header that was read last has been reported.
    var frameIsReported = false

    /// Whether a fragmented message is being sent.
    public internal(set) var isSendingFragments = false

    /// The deadline of the closing handshake, and of the end of TCP after it.
    var endDeadline: MonotonicInstant?
    /// The Close frame that this side sends or has sent.
    var closeSent: CloseFrame? { coldState?.closeSent }

    /// Creates the server's endpoint of a connection that was just accepted.
    ///
    /// - Parameters:
    ///   - configuration: Limits and timeouts.
    ///   - now: The current instant.
    ///   - random: The source of the first Ping's time and of the Pings' numbers.
    ///   - memory: The pool for large messages. Default: none; memory then comes from the system each time.
    public init(
        server configuration: EndpointConfiguration, at now: MonotonicInstant, random: inout RandomPool,
        memory: MemoryPool? = nil
    ) {
        self.init(server: SharedEndpointConfiguration(configuration), at: now, random: &random, memory: memory)
    }

    /// Creates a server's endpoint with a configuration that other connections share.
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

    /// Creates the client's endpoint of a connection that was just established. The request is its first output.
    ///
    /// - Parameters:
    ///   - request: The request to send.
    ///   - configuration: Limits and timeouts.
    ///   - now: The current instant.
    ///   - random: The source of the first Ping's time and of the Pings' numbers.
    ///   - memory: The pool for large messages. Default: none; memory then comes from the system each time.
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

    /// Takes limits and timeouts from another configuration, before the first frame is read.
    mutating func use(_ configuration: SharedEndpointConfiguration) {
        assert(phase == .opening, "the configuration changes only before the connection opens")
        sharedConfiguration = configuration
        reader = FrameReader(role: role, limits: configuration.value.frameLimits)
    }

    /// Reads the caller's bytes up to the next event.
    ///
    /// All bytes have been read when this returns ``Endpoint/Event/needsInput``, so the caller may reuse their memory. Bytes remain
    /// after ``Endpoint/Event/awaitsAnswer`` and ``Endpoint/Event/inProgress``, and may remain after every other event.
    ///
    /// The work of one call is bounded: it reads up to the next event only, inflates at most 64 KiB of at most 64 KiB on the wire, and
    /// reads at most 256 frames that give no event. It returns ``Endpoint/Event/inProgress`` if a bound is reached.
    ///
    /// - Parameters:
    ///   - input: The bytes from the peer. The endpoint unmasks payloads in place, and removes what it has read.
    ///   - now: The current instant.
    /// - Returns: The next event. Its payload is valid until the next call.
    public mutating func receive(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        if isBetweenMessages {
            if let (kind, payload, isValid) = reader.readWholeMessage(&input) {
                heartbeat.noteInput(at: now)
                guard isValid else { return fail(.invalidUTF8, at: now) }
                return .message(kind, payload)
            }
            if input.isEmpty, !reader.isInsideFrame { return .needsInput }
        }
        return receiveOnSlowPath(&input, at: now)
    }

    /// Whether the connection is open, messages are handed out whole, none has begun, and no state of the last event needs to be
    /// released: the condition of the fast path.
    @inline(__always)
    private var isBetweenMessages: Bool {
        phase == .open && delivery == .messages && !reportsFrames && handshake == nil && !assemblyIsDelivered
            && !controlPayloadIsDelivered && !isInsideChunkedMessage
    }

    /// Reads up to the next event, in any phase and for any input.
    @inline(never)
    private mutating func receiveOnSlowPath(_ input: inout ReadBuffer, at now: MonotonicInstant) -> Endpoint.Event {
        releaseDelivered()
        if !input.isEmpty { heartbeat.noteInput(at: now) }
        switch phase {
        case .open, .closing:
            if handshake != nil { releaseHandshake() }
            return receiveFrames(&input, at: now)
        case .opening: return receiveHandshake(&input, at: now)
        case .ending, .closed:
            // Bytes after a Close frame or a failure are read and discarded, so that TCP can end.
            input.skip(input.count)
            return .needsInput
        }
    }

    /// Handles the end of the peer's side of TCP: no more bytes will come.
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
        // The driver writes what is left, such as a Close frame, before it closes.
        transportRequest = .close
        phase = .closed
    }

    /// Handles the failure of the transport, such as a reset from the peer. Nothing can be sent any more.
    ///
    /// - Parameters:
    ///   - description: What happened, for the outcome's description.
    ///   - now: The current instant.
    public mutating func transportFailed(_ description: String, at now: MonotonicInstant) {
        guard phase != .closed else { return }
        if phase != .ending { abandon(.transport(description), by: .peer) }
        endNow()
    }

    /// Aborts the connection, without a closing handshake.
    ///
    /// - Parameter reason: Why, for the outcome's description.
    public mutating func abort(_ reason: String) {
        guard phase != .closed else { return }
        if phase != .ending { abandon(.aborted(reason), by: .local) }
        endNow()
    }

    /// The next instant at which ``advance(to:)`` has something to do; `nil` if there is none.
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

    /// Does what is due at `now`: sends a Ping, releases memory of an idle connection, or ends a connection whose peer takes too long.
    /// Nothing happens before the ``deadline``.
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
            case .ping: if coldState?.control.ping == nil { _ = try? ping(at: now) }
            case .timeout: endAfterHeartbeatTimeout(at: now)
            }
        case .closing:
            abandon(.closeTimedOut(after: configuration.closeTimeout), by: .local)
            endNow()
        case .ending:
            endNow()
        case .closed: break
        }
    }

    /// Notes that the driver has stopped reading from the transport, or reads again. While it does not read, the peer's silence does
    /// not count towards the heartbeat's timeout.
    public mutating func setInputPaused(_ paused: Bool, at now: MonotonicInstant) {
        heartbeat.setPaused(paused, at: now)
    }

    /// ``EndpointConfiguration/closeTimeout``.
    package var closeTimeout: Duration { configuration.closeTimeout }

    /// ``HeartbeatConfiguration/timeout``.
    package var pongTimeout: Duration { configuration.heartbeat.timeout }

    /// Notes that the peer has acknowledged bytes, which counts for the heartbeat as bytes from the peer do.
    public mutating func noteOutputProgress(at now: MonotonicInstant) {
        heartbeat.noteInput(at: now)
    }

    // MARK: The end

    /// Returns, at the WebSocket's end, everything that is held from pools and budgets: the compressor, the decompressor, their
    /// windows, and the memory for assembling messages. The outcome, the agreement on compression and the ``compressionStatistics``
    /// remain.
    ///
    /// If the outcome is not decided yet, the connection is aborted: without these resources it can neither send
    /// compressed messages nor receive data.
    ///
    /// - Parameter keepsPayload: Whether the payload of the last event is still in use. Its memory is kept then until the next call of
    ///   `receive` or of this method.
    package mutating func releaseResources(keepsPayload: Bool) {
        if !hasOutcome { abort("its resources were released") }
        compression?.release()
        if keepsPayload, assemblyIsDelivered { return }
        assembly.removeAll()
        assemblyIsDelivered = false
    }

    /// Decides the outcome of a connection that ends without a completed closing handshake, unless it is decided.
    mutating func abandon(_ failure: ConnectionFailure, by initiator: CloseOutcome.Initiator) {
        guard outcome == nil else { return }
        // The endpoint that sent a Close frame counts as the initiator, even if the frame never arrived.
        outcome = CloseOutcome(
            initiator: closeSent == nil ? initiator : .local, sent: closeSent, received: nil, failure: failure)
    }

    /// Discards the output and ends TCP at once.
    private mutating func endNow() {
        coldState?.control = ControlOutput()
        handshake?.output = []
        transportRequest = .abort
        phase = .closed
    }

    /// Frees the opening handshake if its output has been written.
    private mutating func releaseHandshake() {
        if handshake?.output.isEmpty == true { handshake = nil }
    }

    /// Returns ``coldState``, and allocates it if there is none.
    mutating func makeColdState() -> EndpointColdState {
        if let coldState { return coldState }
        let made = EndpointColdState()
        coldState = made
        return made
    }

    /// Frees ``coldState`` if it is empty.
    mutating func releaseColdState() {
        if let coldState, coldState.isEmpty { self.coldState = nil }
    }

    /// Frees the payload of the last event.
    @inline(__always)
    private mutating func releaseDelivered() {
        if assemblyIsDelivered {
            assembly.removeAll()
            assemblyIsDelivered = false
        }
        if controlPayloadIsDelivered {
            coldState?.controlPayload.removeAll()
            controlPayloadIsDelivered = false
            releaseColdState()
        }
    }
}
