import FuzzSupport
import LifelineCore

// Compressed frames from a peer that follows no rules. No message is longer than the limit. The same bytes give the same messages and the
// same end, however they are split and messages are delivered. All memory is released.

/// Additional actions on the connection.
struct Choices {
    var role: WebSocketRole
    var agreement: PerMessageDeflate
    var messageLimit: Int
    var frameLimit: Int
    /// Whether the content consists of frames, or of DEFLATE to be put into frames.
    var isFrames: Bool
    var kind: UInt8
    var seed: UInt8

    init(_ input: inout FuzzInput) {
        let flags = input.byte()
        role = flags & 1 == 0 ? .server : .client
        isFrames = flags & 2 != 0
        kind = flags & 4 == 0 ? 2 : 1
        let window = input.byte()
        agreement = PerMessageDeflate(
            serverNoContextTakeover: flags & 8 != 0, clientNoContextTakeover: flags & 16 != 0,
            serverMaxWindowBits: 15 - Int(window & 7), clientMaxWindowBits: 15 - Int(window >> 3 & 7))
        let limits = [1 << 20, 1000, 65_536, 1, 100, 0, 300_000, 70_000]
        let limit = input.byte()
        messageLimit = limits[Int(limit & 7)]
        frameLimit = limit & 8 == 0 ? messageLimit : limits[Int(limit >> 4 & 7)]
        seed = input.byte()
    }

    /// Returns the content as the peer's frames.
    func frames(_ content: [UInt8]) -> [UInt8] {
        guard !isFrames else { return content }
        var splitter = Splitter(seed: seed)
        let messages = [1, 1, 2, 3][splitter.below(4)]
        var bytes: [UInt8] = []
        for index in 0..<messages {
            let message = Array(content[(content.count * index / messages)..<(content.count * (index + 1) / messages)])
            var parts = splitter.below(2) == 0 ? [message] : splitter.pieces(message)
            if splitter.below(3) == 0 { parts.append([]) }
            if parts.isEmpty || splitter.below(4) == 0 { parts.insert([], at: 0) }
            for (number, part) in parts.enumerated() {
                let isLast = number == parts.count - 1
                bytes += frame((isLast ? 0x80 : 0) | (number == 0 ? 0x40 | kind : 0), part)
                if !isLast, splitter.below(8) == 0 { bytes += frame(0x89, [1, 2, 3]) }
            }
        }
        return bytes
    }

    private func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let mask: UInt8 = role == .server ? 0x80 : 0
        let length: [UInt8] =
            payload.count < 126
            ? [mask | UInt8(payload.count)]
            : payload.count < 65_536
                ? [mask | 126, UInt8(payload.count >> 8), UInt8(truncatingIfNeeded: payload.count)]
                : [mask | 127] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> ($0 * 8)) }
        // A key of zeros does not change the payload.
        return [first] + length + (role == .server ? [0, 0, 0, 0] : []) + payload
    }
}

/// How the bytes are passed in.
struct Manner {
    var isSplit = false
    var delivery = Endpoint.Delivery.messages
    /// Whether time passes between the pieces, so that the idle connection releases memory.
    var isSlow = false
    /// Whether the delivery changes between the pieces.
    var changesDelivery = false
}

func run(_ bytes: [UInt8], _ choices: Choices, _ manner: Manner) -> FuzzPeer.Result {
    let budget = CompressionBudget(limit: 1 << 30)
    let result = receive(bytes, choices, manner, budget)
    check(budget.bytesInUse == 0, "\(budget.bytesInUse) bytes of the budget have not been given back")
    return result
}

func receive(
    _ bytes: [UInt8], _ choices: Choices, _ manner: Manner, _ budget: CompressionBudget
) -> FuzzPeer.Result {
    let configure = { (configuration: inout EndpointConfiguration) in
        configuration.maximumMessageSize = choices.messageLimit
        configuration.maximumFrameSize = choices.frameLimit
        configuration.maximumFragmentsPerMessage = 1000
    }
    let peer = FuzzPeer.open(
        choices.role, choices.agreement, FuzzPeer.configuration(choices.role, budget, configure))
    peer.endpoint.delivery = manner.delivery
    if manner.isSplit {
        var splitter = Splitter(seed: choices.seed &+ 1)
        for piece in splitter.pieces(bytes) {
            if manner.isSlow { peer.advance(by: .seconds(splitter.below(12))) }
            if manner.changesDelivery { peer.endpoint.delivery = splitter.below(2) == 0 ? .messages : .chunks }
            peer.receive(piece)
        }
    } else {
        peer.receive(bytes)
    }
    for message in peer.result.messages {
        check(message.payload.count <= choices.messageLimit, "a message of \(message.payload.count) bytes")
        if message.kind == .text {
            check(String(validating: message.payload, as: UTF8.self) != nil, "text that is not UTF-8")
        }
    }
    let statistics = peer.endpoint.compressionStatistics
    check(statistics.receivedBytes >= 0 && statistics.receivedWireBytes >= 0, "statistics below zero")
    if peer.endpoint.phase == .open { peer.advance(by: .seconds(60)) }
    return peer.result
}

@_cdecl("lifeline_fuzz_decompression")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = FuzzInput(bytes, count)
    let choices = Choices(&input)
    let frames = choices.frames(input.remaining())
    let whole = run(frames, choices, Manner())
    let others = [
        Manner(delivery: .chunks), Manner(isSplit: true, delivery: .chunks, isSlow: true),
        Manner(isSplit: true, isSlow: true, changesDelivery: true),
    ]
    // Each run takes time, so the input decides which of them to do.
    for manner in [Manner(isSplit: true), others[Int(choices.seed) % others.count]] {
        let other = run(frames, choices, manner)
        // zlib rejects references beyond a window below its largest one, unless they refer to the output of the same call. So one run may
        // reject what another one accepts.
        let isTooFar = [whole, other].contains { $0.violation?.description.contains("too far back") == true }
        let window =
            choices.role == .server ? choices.agreement.clientMaxWindowBits : choices.agreement.serverMaxWindowBits
        if isTooFar, window < 15 { continue }
        check(other.messages == whole.messages, "\(manner): other messages")
        check(other.violation == whole.violation, "\(manner): another violation")
        // A timeout is an end too.
        check((other.phase == .open) == (whole.phase == .open), "\(manner): another phase")
        check(other.pings == whole.pings, "\(manner): other Pings")
    }
    return 0
}
