import HTTPTypes
import Testing

@testable import LifelineCore

/// Drives one ``Endpoint`` as a transport would: bytes, the end of the stream and time go in; events and output are kept.
///
/// Time passes only when a test says so.
final class EndpointHarness {
    /// What a server does with a request.
    enum Answering {
        /// Opens what is a valid opening handshake, refuses what is an invalid one, and answers other requests with 200.
        case byTheRules
        /// Nothing; the test answers.
        case byHand
    }

    var endpoint: Endpoint
    var random: RandomPool
    var now = MonotonicInstant.start
    var answering = Answering.byTheRules
    /// Whether the transport takes no output, as when the peer does not read.
    var isStalled = false

    private(set) var events: [RecordedEvent] = []
    /// What the endpoint has handed out, and no test has taken yet.
    private(set) var output: [UInt8] = []
    /// How often the endpoint has let others have their turn.
    private(set) var turns = 0
    /// Where input lies that was moved.
    private var moves: [UnsafeMutableRawBufferPointer] = []
    /// What the endpoint left unread because a request waits for its answer.
    private(set) var unread: [UInt8] = []

    /// A server's side of a fresh connection.
    init(server configuration: EndpointConfiguration = .server, seed: UInt64 = 1, memory: MemoryPool? = nil) {
        random = RandomPool(seed: seed)
        endpoint = Endpoint(server: configuration, at: now, random: &random, memory: memory)
    }

    /// A client's side of a fresh connection; its request is the first output.
    init(
        client request: ClientHandshake, configuration: EndpointConfiguration = .client, seed: UInt64 = 1,
        memory: MemoryPool? = nil
    ) {
        random = RandomPool(seed: seed)
        endpoint = Endpoint(client: request, configuration: configuration, at: now, random: &random, memory: memory)
        drain()
    }

    deinit {
        for memory in moves { memory.deallocate() }
    }

    // What of the endpoint is asked for most; expectations cannot look into what cannot be copied.
    var role: WebSocketRole { endpoint.role }
    var phase: Endpoint.Phase { endpoint.phase }
    var outcome: CloseOutcome? { endpoint.outcome }
    var transportRequest: Endpoint.TransportRequest? { endpoint.transportRequest }
    var deadline: MonotonicInstant? { endpoint.deadline }
    var hasOutput: Bool { endpoint.hasOutput }
    var request: HTTPRequest? { endpoint.request?.request }
    var refusal: HandshakeRefusal? { endpoint.refusal }
    var handshakeFailure: HandshakeFailure? { endpoint.handshakeFailure }

    // MARK: Input

    /// Passes bytes in, as one piece.
    ///
    /// - Parameter afterEvent: Called upon each event, before the endpoint is asked for the next: what a driver does on
    ///   the spot.
    func receive(_ bytes: [UInt8], afterEvent: (RecordedEvent) -> Void = { _ in }) {
        unread += bytes
        // A fresh block of just this size each time: the address sanitizer sees what reads past it.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: unread.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: unread)
        unread = []
        receive(in: memory, afterEvent: afterEvent)
    }

    /// Has the endpoint read bytes where they lie.
    private func receive(in memory: UnsafeMutableRawBufferPointer, afterEvent: (RecordedEvent) -> Void = { _ in }) {
        var input = ReadBuffer(memory)
        while let event = next(&input) {
            events.append(event)
            if event.isRequest, answering == .byTheRules { answerByTheRules() }
            afterEvent(event)
            drain()
        }
        unread = Array(input.unread)
        drain()
    }

    /// Passes bytes in as a transport does that receives large messages where they are put together: piece by piece, each
    /// as if so much had arrived by then.
    ///
    /// - Returns: How many bytes were received directly.
    @discardableResult
    func receive(_ bytes: [UInt8], inPiecesOf size: () -> Int) -> Int {
        var rest = bytes[...]
        var direct = 0
        while !rest.isEmpty {
            let arrived = min(size(), rest.count)
            if let window = endpoint.directWindow(for: arrived) {
                // It has room for what belongs to the frame of what has arrived; a transport fills it as far as it can.
                let count = min(arrived, window.count)
                let memory = UnsafeMutableRawBufferPointer(rebasing: window[..<count])
                memory.copyBytes(from: rest.prefix(count))
                rest = rest.dropFirst(count)
                direct += count
                receive(in: memory)
            } else {
                receive(Array(rest.prefix(arrived)))
                rest = rest.dropFirst(arrived)
            }
        }
        return direct
    }

    /// The next event for those who wait for it, however many calls it takes.
    ///
    /// Each other time that the endpoint lets others have their turn, what is left of the input moves, as it does with a driver
    /// that keeps it.
    private func receiveEvent(_ input: inout ReadBuffer) -> Endpoint.Event {
        while true {
            let before = (input.count, endpoint.compression?.messageSize ?? 0)
            let event = endpoint.receive(&input, at: now)
            guard case .inProgress = event else { return event }
            turns += 1
            #expect(!input.isEmpty, "there is input left where there is more to do")
            let after = (input.count, endpoint.compression?.messageSize ?? 0)
            #expect(after != before, "something has been done")
            guard turns.isMultiple(of: 2) else { continue }
            let moved = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 1)
            moved.copyBytes(from: input.unread)
            input.unread.initializeMemory(as: UInt8.self, repeating: 0xA5)
            moves.append(moved)
            input = ReadBuffer(moved)
        }
    }

    /// The next event, or `nil` where the endpoint waits for input or for an answer.
    private func next(_ input: inout ReadBuffer) -> RecordedEvent? {
        switch receiveEvent(&input) {
        case .inProgress, .needsInput:
            #expect(input.isEmpty, "all input is read before more is asked for")
            return nil
        case .awaitsAnswer: return nil
        case .request:
            guard let request = endpoint.request else { return nil }
            return .request(request.request)
        case .requestBody(let bytes): return .requestBody(Array(bytes))
        case .requestBodyEnd: return .requestBodyEnd
        case .opened:
            guard let opening = endpoint.opening else { return nil }
            return .opened(opening.agreement)
        case .message(let kind, let payload): return .message(kind, Array(payload))
        case .chunk(let kind, let payload, let isFirst, let isLast):
            return .chunk(kind, Array(payload), isFirst: isFirst, isLast: isLast)
        case .ping(let payload): return .ping(Array(payload))
        case .pong(let payload, let number, let roundTrip):
            return .pong(Array(payload), number: number, roundTrip: roundTrip)
        case .frame(let header): return .frame(header)
        case .closed: return .closed
        }
    }

    /// Passes bytes in, split at the given offsets.
    func receive(_ bytes: [UInt8], splitAt offsets: [Int]) {
        var start = 0
        for offset in offsets + [bytes.count] {
            receive(Array(bytes[start..<offset]))
            start = offset
        }
    }

    /// Passes bytes in, one at a time.
    func receiveByteByByte(_ bytes: [UInt8]) {
        for byte in bytes { receive([byte]) }
    }

    /// Passes frames in, as the peer must send them.
    func receive(_ frames: WireFrame...) {
        receive(frames.bytes(from: endpoint.role.peer))
    }

    /// The peer ends its side of TCP.
    func receiveEnd() {
        endpoint.receiveEnd(at: now)
        drain()
    }

    // MARK: Output

    /// Takes what the endpoint wants written, unless the transport is stalled.
    func drain() {
        guard !isStalled else { return }
        while endpoint.hasOutput { endpoint.drainOutput(random: &random) { output += $0 } }
    }

    /// Adds bytes that the driver writes by itself, as for a data frame.
    func write(_ bytes: [UInt8]) {
        output += bytes
    }

    /// The output so far, which is forgotten here.
    func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// The frames of the output so far, which is forgotten here.
    func takeFrames(sourceLocation: SourceLocation = #_sourceLocation) -> [WireFrame] {
        do {
            return try WireFrame.parse(takeOutput())
        } catch {
            Issue.record("the output is not a sequence of frames", sourceLocation: sourceLocation)
            return []
        }
    }

    /// The events so far, which are forgotten here.
    func takeEvents() -> [RecordedEvent] {
        defer { events = [] }
        return events
    }

    // MARK: Time

    /// Lets time pass, and does what is due on the way exactly when it is due.
    func advance(by duration: Duration) {
        advance(to: now.advanced(by: duration))
    }

    /// Lets time pass up to an instant, and does what is due on the way exactly when it is due.
    func advance(to instant: MonotonicInstant) {
        var steps = 0
        while let deadline = endpoint.deadline, deadline <= instant {
            now = max(now, deadline)
            endpoint.advance(to: now)
            drain()
            steps += 1
            guard steps < 100_000 else {
                Issue.record("the endpoint's deadline does not move on")
                return
            }
        }
        now = max(now, instant)
    }
}

extension MonotonicInstant {
    /// When tests begin: neither zero nor round, so that nothing can rely on either.
    static let start = MonotonicInstant(nanoseconds: 86_399_123_456_789)
}

extension RecordedEvent {
    var isRequest: Bool {
        if case .request = self { true } else { false }
    }
}
