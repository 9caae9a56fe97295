import Testing

@testable import LifelineCore

/// Drives an endpoint with as little of its own as can be, and watches what each call costs.
struct MeteredReader: ~Copyable {
    private var harness: EndpointHarness
    let meter = WorkMeter()
    private(set) var events: [RecordedEvent] = []
    private(set) var read = 0
    private(set) var calls = 0
    /// How often the endpoint let others have their turn.
    private(set) var turns = 0

    /// An endpoint that has agreed on compression; a client, since masking takes its time without optimisation.
    init(
        _ configuration: EndpointConfiguration, role: WebSocketRole = .client, delivery: Endpoint.Delivery = .messages,
        hasPool: Bool = true
    ) {
        let memory = MemoryPool()
        memory.meter = meter
        harness = .compressing(
            role, configuration: configuration, delivery: delivery, memory: hasPool ? memory : nil)
    }

    var violation: ProtocolViolation? { harness.violation }

    /// Reads bytes in pieces of a size; all at once where none is given.
    mutating func receive(
        _ bytes: [UInt8], piece: Int = .max, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var start = 0
        while start < bytes.count {
            let count = min(piece, bytes.count - start)
            receive(bytes[start..<(start + count)], sourceLocation)
            start += count
        }
    }

    private mutating func receive(_ bytes: ArraySlice<UInt8>, _ sourceLocation: SourceLocation) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        read += bytes.count
        var input = ReadBuffer(memory)
        while true {
            let inflated = meter.inflated
            let event = harness.endpoint.receive(&input, at: harness.now)
            calls += 1
            // One byte too many tells that the message is too long.
            if meter.inflated - inflated > WorkMeter.mostInflatedPerCall + 1 {
                Issue.record("a call inflated \(meter.inflated - inflated) bytes", sourceLocation: sourceLocation)
            }
            switch event {
            case .needsInput:
                let (count, capacity) = (harness.endpoint.assembly.count, harness.endpoint.assembly.capacity)
                if capacity > 8 * count + ByteStore.spareRoom {
                    Issue.record("\(capacity) bytes for \(count) that wait", sourceLocation: sourceLocation)
                }
                return
            case .inProgress:
                turns += 1
                if input.isEmpty { Issue.record("nothing is left", sourceLocation: sourceLocation) }
            case .message(let kind, let payload): events.append(.message(kind, Array(payload)))
            case .chunk(let kind, let payload, let isFirst, let isLast):
                events.append(.chunk(kind, Array(payload), isFirst: isFirst, isLast: isLast))
            case .ping(let payload): events.append(.ping(Array(payload)))
            case .closed: events.append(.closed)
            default: Issue.record("an event that was not to come", sourceLocation: sourceLocation)
            }
        }
    }

    /// Checks that one message was received, for work that is linear.
    func check(
        _ expected: [RecordedEvent], _ what: @autoclosure () -> String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        if events.withChunksJoined != expected {
            Issue.record("\(what()): \(events.map(\.summary))", sourceLocation: sourceLocation)
        }
        if let excess = meter.excess(read: read, calls: calls) {
            Issue.record(
                "\(what()): \(excess) for \(read) that were read and \(meter.inflated) inflated in \(calls) calls",
                sourceLocation: sourceLocation)
        }
    }
}
