import LifelineCore

/// A client and a server with a simulated network between them: bytes, ends of streams and deadlines happen in the order
/// of a virtual time, and no other time passes.
final class EndpointPair {
    let client: EndpointHarness
    let server: EndpointHarness
    /// How long everything is on its way.
    var latency: Duration
    /// The sides whose output is lost on the way, as behind a cable that was cut.
    var silenced: Set<WebSocketRole> = []
    /// Splits what is sent into random pieces.
    private var pieces: SplitMix64?

    private(set) var now = MonotonicInstant.start
    private var inFlight: [Parcel] = []
    /// The sides that have ended their output.
    private var ended: Set<WebSocketRole> = []

    private struct Parcel {
        enum Content {
            case bytes([UInt8])
            case end
            case reset
        }

        var arrival: MonotonicInstant
        var receiver: WebSocketRole
        var content: Content
    }

    init(
        client: EndpointConfiguration = .client, server: EndpointConfiguration = .server, latency: Duration = .zero,
        seed: UInt64 = 1, splitsRandomly: Bool = false
    ) {
        self.client = .client(configuration: client, seed: seed)
        self.server = EndpointHarness(server: server, seed: seed &+ 100)
        self.latency = latency
        pieces = splitsRandomly ? SplitMix64(seed: seed) : nil
    }

    subscript(role: WebSocketRole) -> EndpointHarness { role == .client ? client : server }

    /// Lets time pass.
    func run(for duration: Duration) {
        let end = now.advanced(by: duration)
        ship()
        while let instant = nextInstant, instant <= end {
            step(to: max(now, instant))
        }
        step(to: end)
    }

    /// Lets everything that is on its way arrive, and what is sent in answer, in no more than `limit`.
    func settle(limit: Duration = .seconds(1)) {
        let end = now.advanced(by: limit)
        ship()
        while let instant = inFlight.map(\.arrival).min(), instant <= end {
            step(to: max(now, instant))
        }
    }

    private var nextInstant: MonotonicInstant? {
        (inFlight.map(\.arrival) + [client.deadline, server.deadline].compactMap { $0 }).min()
    }

    private func step(to instant: MonotonicInstant) {
        now = instant
        for side in [client, server] { side.advance(to: instant) }
        let arrived = inFlight.filter { $0.arrival <= instant }
        inFlight.removeAll { $0.arrival <= instant }
        for parcel in arrived { deliver(parcel) }
        ship()
    }

    private func deliver(_ parcel: Parcel) {
        let receiver = self[parcel.receiver]
        switch parcel.content {
        case .bytes(let bytes):
            var start = 0
            while start < bytes.count {
                let length = pieces?.below(min(bytes.count - start, 40)) ?? bytes.count - start - 1
                receiver.receive(Array(bytes[start...(start + length)]))
                start += length + 1
            }
        case .end: receiver.receiveEnd()
        case .reset:
            receiver.endpoint.transportFailed("reset", at: now)
        }
    }

    /// Puts on its way what both sides have written.
    private func ship() {
        for role in [WebSocketRole.client, .server] {
            let bytes = self[role].takeOutput()
            if !bytes.isEmpty { post(.bytes(bytes), from: role) }
            guard let request = self[role].transportRequest else { continue }
            self[role].endpoint.transportRequest = nil
            let isFirst = ended.insert(role).inserted
            if request == .abort {
                post(.reset, from: role)
            } else if isFirst {
                post(.end, from: role)
            }
        }
    }

    private func post(_ content: Parcel.Content, from sender: WebSocketRole) {
        guard !silenced.contains(sender) else { return }
        inFlight.append(Parcel(arrival: now.advanced(by: latency), receiver: sender.peer, content: content))
    }
}
