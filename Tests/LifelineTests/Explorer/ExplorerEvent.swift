/// What can happen to a connection, from whichever side.
enum ExplorerEvent: String, CaseIterable, Sendable {
    // The peer that speaks bytes
    case peerText, peerBinary, peerFragmentBegins, peerFragmentGoesOn, peerFragmentEnds, peerCompressed, peerPing
    case peerPong, peerClose, peerGarbage, peerHalfFrame, peerBurst, peerCrowd
    case peerEnds, peerResets, peerStopsReading, peerReads
    // The network below
    case writesFail, cut
    // The application
    case send, sendMuch, enqueue, fragmentBegins, fragmentGoesOn, fragmentEnds, receive, stream, cancelWait, ping, close
    case abort
    /// A handler on the loop sends, closes or gives up from inside of the next message.
    case sendInside, closeInside, abortInside
    /// The handler's own task.
    case handlerReceives, handlerReturns, handlerThrows
    // The world
    case timePasses, shutDown

    /// Whether a peer that speaks bytes, rather than another endpoint, does it.
    var isPeers: Bool { rawValue.hasPrefix("peer") }

    /// Whether it can be the reason why an end is not clean.
    var isFault: Bool {
        switch self {
        case .peerGarbage, .peerHalfFrame, .peerResets, .writesFail, .cut, .abort, .abortInside, .timePasses, .shutDown:
            true
        default: false
        }
    }
}

/// One of two sides.
enum ExplorerSide: String, Sendable {
    case server, client
}

/// One event of a sequence, and how much comes of it before the next.
struct ExplorerStep: Hashable, Sendable, CustomStringConvertible {
    /// What follows the event.
    enum Pace: Hashable, Sendable {
        /// Everything that needs no time.
        case settle
        /// That many rounds of what is ready.
        case rounds(Int)
        /// That many milliseconds.
        case milliseconds(Int)
    }

    var event: ExplorerEvent
    var side = ExplorerSide.server
    var pace = Pace.settle

    var description: String {
        let pace =
            switch pace {
            case .settle: ""
            case .rounds(let rounds): "+\(rounds)"
            case .milliseconds(let milliseconds): "+\(milliseconds)ms"
            }
        return "\(side.rawValue).\(event.rawValue)\(pace)"
    }
}

/// What is explored: who is real, what its handler is, and how the network behaves.
struct ExplorerSetting: Hashable, Sendable, CustomStringConvertible {
    enum Handler: String, CaseIterable, Sendable {
        /// An on-loop handler.
        case onLoop
        /// A task whose helpers run on the loop.
        case task
        /// A task whose helpers run elsewhere; a client's runs there itself.
        case taskElsewhere
    }

    enum Sides: String, Sendable {
        /// A server and a client that speaks bytes.
        case server
        /// A client and a server that speaks bytes.
        case client
        /// A server and a client.
        case both
    }

    var sides: Sides
    var handlers: [Handler]
    var seed: UInt64 = 1
    /// Whether the link's ways are left to chance.
    var variesLink = false
    /// A fault of the explorer's own application, for tests of the explorer.
    var isPlanted = false

    var description: String {
        "\(sides.rawValue) with \(handlers.map(\.rawValue).joined(separator: "/")), seed \(seed)"
    }

    /// The events that this setting knows.
    var events: [ExplorerStep] {
        switch sides {
        case .server: events(.server, handlers[0], peers: true)
        case .client: events(.client, handlers[0], peers: true)
        case .both: events(.server, handlers[0], peers: false) + events(.client, handlers[1], peers: false)
        }
    }

    private func events(_ side: ExplorerSide, _ handler: Handler, peers: Bool) -> [ExplorerStep] {
        ExplorerEvent.allCases.filter { event in
            if event.isPeers { return peers }
            switch event {
            case .sendInside, .closeInside, .abortInside: return handler == .onLoop
            case .handlerReceives, .handlerReturns, .handlerThrows, .receive, .stream: return handler != .onLoop
            default: return true
            }
        }.map { ExplorerStep(event: $0, side: side) }
    }
}
