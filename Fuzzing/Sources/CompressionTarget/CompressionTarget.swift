import FuzzSupport
import LifelineCore

// An endpoint receives what another one sends, for all messages, agreements, levels, budgets and times.

@_cdecl("lifeline_fuzz_compression")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = FuzzInput(bytes, count)
    // Sometimes too little for a compressor.
    let budget = CompressionBudget(limit: [1 << 30, 1, 300_000, 40_000][input.below(4)])
    exchange(&input, budget)
    check(budget.bytesInUse == 0, "\(budget.bytesInUse) bytes of the budget have not been given back")
    return 0
}

func exchange(_ input: inout FuzzInput, _ budget: CompressionBudget) {
    let flags = input.byte()
    let windows = input.byte()
    let levels = input.byte()
    let agreement = PerMessageDeflate(
        serverNoContextTakeover: flags & 1 != 0, clientNoContextTakeover: flags & 2 != 0,
        serverMaxWindowBits: 15 - Int(windows & 7), clientMaxWindowBits: 15 - Int(windows >> 3 & 7))
    let configure = { (configuration: inout EndpointConfiguration) in
        configuration.compression?.level = 1 + Int(levels) % 9
        configuration.compression?.memoryLevel = 1 + Int(levels) / 9 % 9
    }
    let pair = FuzzPeer.pair(
        agreement, client: FuzzPeer.configuration(.client, budget, configure),
        server: FuzzPeer.configuration(.server, budget, configure))
    pair.client.endpoint.delivery = flags & 4 == 0 ? .messages : .chunks
    pair.server.endpoint.delivery = flags & 8 == 0 ? .messages : .chunks
    var splitter = Splitter(seed: input.byte())
    var rest = input.remaining()[...]
    var said: [UInt8] = []

    for _ in 0..<40 {
        guard let command = rest.popFirst() else { return }
        let (sender, receiver) = command & 1 == 0 ? (pair.client, pair.server) : (pair.server, pair.client)
        let length = Int(rest.popFirst() ?? 0) << (command >> 6)
        var message: [UInt8]
        switch command >> 1 & 3 {
        case 0:
            message = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
        // Repeats an earlier message, so that the compressor can refer to it.
        case 1: message = Array(said.suffix(length))
        case 2:
            let start = splitter.below(said.count + 1)
            message = Array(said[start...].prefix(length)) + Array(said.prefix(start).suffix(3))
        default: message = Array(repeating: UInt8(length & 0xFF), count: length * 40)
        }
        if said.count < 100_000 { said += message }
        let choice: MessageCompression = [.always, .automatic, .always, .never][Int(command >> 3 & 3)]
        if command & 32 != 0 {
            let parts = [[]] + splitter.pieces(message) + [[]]
            for (index, part) in parts.dropFirst(splitter.below(2)).enumerated() {
                sender.send(part, index == 0 ? .first : .middle, choice)
                if splitter.below(8) == 0 { sender.advance(by: .seconds(splitter.below(12))) }
            }
            sender.send([], .last, choice)
        } else {
            sender.send(message, .only, choice)
        }
        let wire = sender.takeOutput()
        for piece in splitter.below(2) == 0 ? [wire] : splitter.pieces(wire) { receiver.receive(piece) }
        let received = receiver.takeMessages()
        check(
            received == [FuzzPeer.Result.Message(kind: .binary, payload: message)],
            "\(message.count) bytes were sent, and \(received.map(\.payload.count)) received: \(String(describing: receiver.result.violation))"
        )
        if splitter.below(4) == 0 {
            let time = Duration.seconds(splitter.below(25))
            pair.client.advance(by: time)
            pair.server.advance(by: time)
        }
    }
}
