import FuzzSupport
import LifelineCore

// Heads of the opening handshake, for clients and servers, and frames behind them. The same bytes give the same result wherever they are
// split, and a client accepts what a server agrees to.

@_cdecl("lifeline_fuzz_handshake")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = FuzzInput(bytes, count)
    let flags = input.byte()
    let seed = input.byte()
    let content = input.remaining()
    let budget = CompressionBudget(limit: 1 << 30)
    var results: [FuzzPeer.Result] = []
    for isSplit in [false, true] {
        let peer = flags & 1 == 0 ? server(flags, budget) : client(flags, budget)
        _ = peer.takeOutput()
        var splitter = Splitter(seed: seed)
        for piece in isSplit ? splitter.pieces(content) : [content] { peer.receive(piece) }
        if let agreement = peer.endpoint.compressionAgreement {
            check((8...15).contains(agreement.serverMaxWindowBits), "a window of \(agreement.serverMaxWindowBits)")
            check((8...15).contains(agreement.clientMaxWindowBits), "a window of \(agreement.clientMaxWindowBits)")
        }
        peer.receiveEnd()
        check(peer.endpoint.phase == .closed && peer.endpoint.outcome != nil, "no end")
        results.append(peer.result)
    }
    check(results[0] == results[1], "\(results[0]) in one piece, \(results[1]) in several")
    return 0
}

func server(_ flags: UInt8, _ budget: CompressionBudget) -> FuzzPeer {
    let peer = FuzzPeer(server: FuzzPeer.configuration(.server, budget))
    if flags & 2 != 0 {
        peer.parameters = PerMessageDeflate(
            serverNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 9)
    }
    return peer
}

func client(_ flags: UInt8, _ budget: CompressionBudget) -> FuzzPeer {
    let offers: [PerMessageDeflate] =
        flags & 2 == 0
        ? [PerMessageDeflate()]
        : [PerMessageDeflate(serverMaxWindowBits: 10, clientMaxWindowBits: 10), PerMessageDeflate()]
    return FuzzPeer(client: FuzzPeer.configuration(.client, budget), offers: offers.map(\.offer))
}
