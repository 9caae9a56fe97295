import Testing

@testable import LifelineCore

/// A client and a server that have agreed on permessage-deflate; what one sends, the other receives at once.
final class CompressingPair {
    let client: EndpointHarness
    let server: EndpointHarness

    /// - Parameters:
    ///   - budget: What both take their memory from.
    ///   - configure: Changes the configuration of both.
    init(
        _ agreement: PerMessageDeflate = PerMessageDeflate(), budget: CompressionBudget,
        delivery: Endpoint.Delivery = .messages,
        memory: MemoryPool? = nil, _ configure: (inout CompressionConfiguration) -> Void = { _ in }
    ) {
        client = .compressing(
            .client, agreement, configuration: .compressing(.client, budget, configure), delivery: delivery,
            memory: memory)
        server = .compressing(
            .server, agreement, configuration: .compressing(.server, budget, configure), delivery: delivery,
            memory: memory)
    }

    subscript(role: WebSocketRole) -> EndpointHarness { role == .client ? client : server }

    /// Sends a message, or a frame of one, and has the peer receive it.
    ///
    /// - Returns: Whether it was sent compressed.
    @discardableResult
    func send(
        from role: WebSocketRole, _ kind: MessageKind, _ payload: [UInt8], _ position: FragmentPosition = .only,
        compress: MessageCompression = .always
    ) throws -> Bool {
        let isCompressed = try self[role].send(kind, payload, position, compress: compress)
        self[role.peer].receive(self[role].takeOutput())
        return isCompressed
    }

    /// Sends a message, and checks that the peer gets it.
    func exchange(
        from role: WebSocketRole, _ kind: MessageKind, _ payload: [UInt8], compress: MessageCompression = .always,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try send(from: role, kind, payload, compress: compress)
        let events = self[role.peer].takeEvents().withChunksJoined
        // Compared apart from the expectation, which would print a long message byte by byte.
        if events != [.message(kind, payload)] {
            Issue.record(
                "\(payload.count) bytes from the \(role) came as \(events.map(\.summary))",
                sourceLocation: sourceLocation)
        }
    }

    /// Lets time pass for both.
    func advance(by duration: Duration) {
        client.advance(by: duration)
        server.advance(by: duration)
        // Their Pings, had they any, would be of no interest.
        _ = (client.takeOutput(), server.takeOutput())
    }
}

extension RecordedEvent {
    /// What it is, and how long.
    var summary: String {
        switch self {
        case .message(let kind, let payload): "\(kind) of \(payload.count)"
        case .chunk(let kind, let payload, let isFirst, let isLast):
            "\(isFirst ? "first " : "")\(isLast ? "last " : "")chunk of \(kind), of \(payload.count)"
        default: "\(self)"
        }
    }
}

extension EndpointConfiguration {
    /// A configuration whose compression takes its memory from a budget. It pings nobody.
    static func compressing(
        _ role: WebSocketRole, _ budget: CompressionBudget,
        _ configure: (inout CompressionConfiguration) -> Void = { _ in }
    ) -> EndpointConfiguration {
        var compression = CompressionConfiguration()
        compression.budget = budget
        configure(&compression)
        var configuration = role == .server ? EndpointConfiguration.server : .client
        configuration.compression = compression
        configuration.heartbeat.interval = nil
        return configuration
    }

    /// The same configuration with limits on what is received.
    func limited(message: Int? = nil, frame: Int? = nil, fragments: Int? = nil) -> EndpointConfiguration {
        var configuration = self
        if let message {
            configuration.maximumMessageSize = message
            configuration.maximumFrameSize = message
        }
        if let frame { configuration.maximumFrameSize = frame }
        if let fragments { configuration.maximumFragmentsPerMessage = fragments }
        return configuration
    }
}

/// Runs a test with a budget of its own, and checks that all of it has been given back at its end.
func withBudget(
    _ limit: Int = 1 << 30, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (CompressionBudget) throws -> Void
) rethrows {
    let budget = CompressionBudget(limit: limit)
    try body(budget)
    #expect(budget.bytesInUse == 0, "what is left of the budget", sourceLocation: sourceLocation)
}

extension PerMessageDeflate {
    /// All agreements: each window on both sides, with and without context takeover on either.
    static let all: [PerMessageDeflate] = windowBits.flatMap { bits in
        [false, true].flatMap { server in
            [false, true].map { client in
                PerMessageDeflate(
                    serverNoContextTakeover: server, clientNoContextTakeover: client, serverMaxWindowBits: bits,
                    // Each of the other sizes once, so that the two are not mixed up.
                    clientMaxWindowBits: 8 + (bits + (server ? 3 : 0) + (client ? 5 : 0)) % 8)
            }
        }
    }
}

extension WireFrame {
    /// The first or only frame of a compressed message.
    static func compressed(_ kind: MessageKind, _ payload: [UInt8], isFinal: Bool = true) -> WireFrame {
        WireFrame(opcode: kind == .text ? 1 : 2, isFinal: isFinal, reserved: 4, payload: payload)
    }
}
