import HTTPTypes

@testable public import LifelineCore

/// An endpoint under test, and its results.
public final class FuzzPeer {
    /// What was received. Messages are whole, however they were delivered.
    public struct Result: Hashable {
        public var messages: [Message] = []
        public var pings = 0
        public var requests = 0
        public var bodies: [UInt8] = []
        public var violation: ProtocolViolation?
        public var outcome: CloseOutcome?
        public var handshakeFailure: HandshakeFailure?
        public var output: [UInt8] = []
        public var phase: Endpoint.Phase = .opening

        public struct Message: Hashable {
            public var kind: MessageKind
            public var payload: [UInt8]

            public init(kind: MessageKind, payload: [UInt8]) {
                self.kind = kind
                self.payload = payload
            }
        }
    }

    public var endpoint: Endpoint
    public private(set) var result = Result()
    public private(set) var now = MonotonicInstant(nanoseconds: 1_000_000_000)
    /// The bytes so far of a message that comes in chunks.
    private var partial: [UInt8] = []
    private var isInsideMessage = false
    private var random = RandomPool(Splitter(seed: 7))
    private var unread: [UInt8] = []
    /// The work of the endpoint, and the input that it was for.
    private let meter = WorkMeter()
    private var read = 0
    private var calls = 0

    /// Creates a server, which answers requests by the rules.
    public init(server configuration: EndpointConfiguration) {
        endpoint = Endpoint(server: configuration, at: now, random: &random, memory: FuzzPeer.memory(meter))
    }

    private static func memory(_ meter: WorkMeter) -> MemoryPool {
        let memory = MemoryPool()
        memory.meter = meter
        memory.confinement = { true }
        return memory
    }

    /// Creates a client, whose request is its first output.
    public init(client configuration: EndpointConfiguration, offers: [WebSocketExtension]) {
        do {
            let request = try ClientHandshake(
                authority: "server.example.com", path: "/chat", subprotocols: ["soap", "wamp"], extensions: offers,
                random: &random)
            endpoint = Endpoint(
                client: request, configuration: configuration, at: now, random: &random, memory: FuzzPeer.memory(meter))
        } catch {
            fatalError("a valid request was refused: \(error)")
        }
        drain()
    }

    /// Returns what has been written so far, and forgets it.
    public func takeOutput() -> [UInt8] {
        defer { result.output = [] }
        return result.output
    }

    /// Forgets what has been received.
    public func takeMessages() -> [Result.Message] {
        defer { result.messages = [] }
        return result.messages
    }

    /// Passes bytes in as one piece, in a block of exactly their size.
    public func receive(_ bytes: [UInt8]) {
        let all = unread + bytes
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: all.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: all)
        var input = ReadBuffer(memory)
        while receiveEvent(&input) { drain() }
        unread = Array(input.unread)
        read += all.count - unread.count
        drain()
        checkWork()
        result.phase = endpoint.phase
        result.outcome = endpoint.outcome
        result.handshakeFailure = endpoint.handshakeFailure
        if case .protocolViolation(let violation)? = endpoint.outcome?.failure { result.violation = violation }
    }

    /// Ends the peer's side of TCP.
    public func receiveEnd() {
        endpoint.receiveEnd(at: now)
        drain()
        result.phase = endpoint.phase
        result.outcome = endpoint.outcome
    }

    /// Advances the time, and does what is due.
    public func advance(by duration: Duration) {
        let end = now.advanced(by: duration)
        while let deadline = endpoint.deadline, deadline <= end {
            now = max(now, deadline)
            endpoint.advance(to: now)
            drain()
        }
        now = end
    }

    /// Checks that work and memory are linear in what was read and inflated, however it was split.
    private func checkWork() {
        if let excess = meter.excess(read: read + unread.count, calls: calls) {
            check(false, "\(excess) for \(read) read and \(meter.inflated) inflated in \(calls) calls")
        }
        let (count, capacity) = (endpoint.assembly.count, endpoint.assembly.capacity)
        check(
            capacity <= 8 * count + ByteStore.spareRoom || endpoint.assemblyIsDelivered,
            "\(capacity) bytes for \(count) that wait")
    }

    private func receiveEvent(_ input: inout ReadBuffer) -> Bool {
        let (inflated, left) = (meter.inflated, input.count)
        calls += 1
        let event = endpoint.receive(&input, at: now)
        check(
            meter.inflated - inflated <= WorkMeter.mostInflatedPerCall + 1,
            "a call inflated \(meter.inflated - inflated) bytes")
        if case .inProgress = event {
            check(!input.isEmpty, "work is in progress, and no input is left")
            check(input.count < left || meter.inflated > inflated, "nothing was done")
        }
        switch event {
        case .needsInput:
            check(input.isEmpty, "more input is asked for before all has been read")
            return false
        case .awaitsAnswer: return false
        case .request:
            result.requests += 1
            endpoint.readRequestBody()
            if !endpoint.hasUnreadRequestBody { answer() }
        case .requestBody(let bytes):
            check(!bytes.isEmpty, "an empty piece of a body")
            result.bodies += bytes
        case .requestBodyEnd: answer()
        case .message(let kind, let payload):
            check(!isInsideMessage, "a whole message inside one in chunks")
            result.messages.append(Result.Message(kind: kind, payload: Array(payload)))
        case .chunk(let kind, let payload, let isFirst, let isLast):
            check(isFirst != isInsideMessage, "a chunk in the wrong place")
            check(!payload.isEmpty || isLast, "an empty chunk")
            partial += payload
            isInsideMessage = !isLast
            if isLast {
                result.messages.append(Result.Message(kind: kind, payload: partial))
                partial = []
            }
        case .ping: result.pings += 1
        case .inProgress, .opened, .pong, .frame, .closed: break
        @unknown default: break
        }
        return true
    }

    private func answer() {
        guard let request = endpoint.request?.request else { return }
        guard ServerHandshake.isOpening(request) else {
            return endpoint.respond(HTTPResponse(status: .ok), body: Array("fine".utf8), at: now)
        }
        do throws(HandshakeRefusal) {
            let handshake = try ServerHandshake(request)
            let agreement = parameters.agreement(on: handshake.extensions)
            let response = handshake.response(
                subprotocol: handshake.chosenSubprotocol(from: ["soap"]),
                extensions: agreement.map { [$0.answer(to: handshake.extensions)] } ?? [])
            endpoint.accept(response, compression: agreement, at: now, random: &random)
        } catch {
            endpoint.refuse(error, at: now)
        }
    }

    /// What a server asks for in addition to a client's offer.
    public var parameters = PerMessageDeflate()

    private func drain() {
        while endpoint.hasOutput { endpoint.drainOutput(random: &random) { result.output += $0 } }
    }

    // MARK: Sending

    /// Sends a message, or a fragment of one.
    ///
    /// - Returns: Whether it was compressed.
    @discardableResult
    public func send(
        _ payload: [UInt8], _ position: FragmentPosition = .only, _ compress: MessageCompression
    ) -> Bool {
        // Sending is work too.
        read += payload.count
        calls += 1
        let compressed = payload.withUnsafeBytes { plain in
            endpoint.compress(plain, position, compress, at: now)?.withUnsafeBytes { Array($0) }
        }
        do {
            let wire = compressed ?? payload
            let header = try endpoint.dataFrame(
                .binary, position, payloadLength: wire.count, isCompressed: compressed != nil, random: &random)
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: wire.count + 16, alignment: 1)
            defer { memory.deallocate() }
            if let base = memory.baseAddress {
                let count = wire.withUnsafeBytes { header.write($0, to: base) }
                result.output += memory[..<count]
            }
        } catch {
            fatalError("a frame in its turn was refused: \(error)")
        }
        return compressed != nil
    }
}

extension FuzzPeer {
    /// Returns a client and a server with an open connection.
    public static func pair(
        _ agreement: PerMessageDeflate, client: EndpointConfiguration, server: EndpointConfiguration
    ) -> (client: FuzzPeer, server: FuzzPeer) {
        let client = FuzzPeer(client: client, offers: [agreement.offer])
        let server = FuzzPeer(server: server)
        server.parameters = agreement
        server.receive(client.takeOutput())
        client.receive(server.takeOutput())
        check(client.endpoint.phase == .open && server.endpoint.phase == .open, "the handshake failed")
        check(client.endpoint.compressionAgreement == agreement, "the client agrees on something else")
        check(server.endpoint.compressionAgreement == agreement, "the server agrees on something else")
        return (client, server)
    }

    /// Returns one side of an open connection. The handshake of the other side is always the same, and is cached.
    public static func open(
        _ role: WebSocketRole, _ agreement: PerMessageDeflate, _ configuration: EndpointConfiguration
    ) -> FuzzPeer {
        let kept: (request: [UInt8], answer: [UInt8])
        if let heads = heads[agreement] {
            kept = heads
        } else {
            let budget = CompressionBudget(limit: 1)
            let client = FuzzPeer(client: FuzzPeer.configuration(.client, budget), offers: [agreement.offer])
            let server = FuzzPeer(server: FuzzPeer.configuration(.server, budget))
            server.parameters = agreement
            let request = client.takeOutput()
            server.receive(request)
            kept = (request, server.takeOutput())
            heads[agreement] = kept
        }
        let peer: FuzzPeer
        if role == .client {
            peer = FuzzPeer(client: configuration, offers: [agreement.offer])
            peer.receive(kept.answer)
        } else {
            peer = FuzzPeer(server: configuration)
            peer.parameters = agreement
            peer.receive(kept.request)
        }
        check(peer.endpoint.phase == .open, "the handshake failed")
        check(peer.endpoint.compressionAgreement == agreement, "it agrees on something else")
        _ = peer.takeOutput()
        return peer
    }

    /// The handshakes of all agreements so far. A fuzzer has one thread.
    nonisolated(unsafe) private static var heads: [PerMessageDeflate: (request: [UInt8], answer: [UInt8])] = [:]

    /// Returns a configuration with a budget for compression, and without Pings.
    public static func configuration(
        _ role: WebSocketRole, _ budget: CompressionBudget,
        _ configure: (inout EndpointConfiguration) -> Void = { _ in }
    ) -> EndpointConfiguration {
        var configuration: EndpointConfiguration = role == .server ? .server : .client
        configuration.heartbeat = .disabled
        configuration.compression = CompressionConfiguration()
        configuration.compression?.budget = budget
        configure(&configuration)
        return configuration
    }
}
