import LifelineTesting

@testable import Lifeline
@testable import LifelineCore

/// What tells the states of a world apart, as a list of small numbers.
struct StateDigest: Hashable {
    private(set) var numbers: [UInt8] = []

    /// How much tells states apart.
    enum Grain: Int, Sendable {
        /// Where connection and transport stand.
        case coarse
        /// What waits, too, and what has been begun.
        case medium
        /// How much there is of everything, too.
        case fine
    }

    init(_ world: ExplorerWorld, _ grain: Grain) {
        for side in [ExplorerSide.server, .client] {
            guard let app = world.apps[side] else { continue }
            if grain == .coarse {
                addCoarsely(app, world, side)
                continue
            }
            add(app, grain == .fine)
            if world.withConnection(side, { add($0, grain == .fine) }) == nil {
                add(Self.kind(app.socket?.handle.outcome))
            }
        }
        if grain == .coarse {
            if let peer = world.peer {
                add(peer.hasClosed, peer.hasEnded || peer.raw.isTerminated, peer.raw.transport.isReading)
                add(peer.inside == .nothing ? 0 : 1)
            }
            add(world.faults[0], world.faults[1])
            return
        }
        if let peer = world.peer {
            add(peer.isBroken, peer.hasClosed, peer.hasEnded, peer.raw.inputHasEnded, peer.raw.wasReset)
            add(peer.raw.isTerminated, peer.raw.transport.isReading)
            add(peer.inside.rawValue)
        }
        add(world.faults[0], world.faults[1])
    }

    /// The phase, how it ended, and which of the ways to stand still it is in.
    private mutating func addCoarsely(_ app: ExplorerApp, _ world: ExplorerWorld, _ side: ExplorerSide) {
        add(app.handlerHasEnded)
        let isAlive: Void? = world.withConnection(side) { connection in
            let endpoint = connection.endpoint
            add(Self.phase(endpoint.pointee.phase))
            add(min(Self.kind(connection.outcome), 2))
            add(
                endpoint.pointee.isSendingFragments, connection.inputIsHeld, connection.readingIsPaused,
                connection.isWritable, connection.hasReceiver)
        }
        if isAlive == nil { add(min(Self.kind(app.socket?.handle.outcome), 2)) }
    }

    private mutating func add(_ flags: Bool...) {
        numbers.append(flags.reduce(1) { $0 << 1 | ($1 ? 1 : 0) })
    }

    private mutating func add(_ number: Int) {
        numbers.append(UInt8(clamping: number))
    }

    private mutating func add(_ app: ExplorerApp, _ isFine: Bool) {
        add(app.handlerHasEnded, app.handlerIsBusy, app.reactions.isEmpty, app.openFeeds > 0)
        for kind in [ExplorerEvent.receive, .stream, .ping, .close] { add(min(app.waiting(kind), isFine ? 2 : 1)) }
        add(app.reactions.first?.hashed ?? 0)
    }

    private mutating func add(_ connection: Connection, _ isFine: Bool) {
        let most = isFine ? 3 : 1
        let endpoint = connection.endpoint
        add(Self.phase(endpoint.pointee.phase))
        add(Self.kind(connection.outcome))
        add(
            endpoint.pointee.hasOutput, endpoint.pointee.isSendingFragments, connection.inputIsHeld,
            connection.held.isEnded,
            connection.readingIsPaused, connection.isWritable, connection.partial != nil)
        add(
            connection.stall.deadline != nil, connection.finalDeadline != nil, connection.outputHasEnded,
            connection.hasReceiver, endpoint.pointee.transportRequest != nil, endpoint.pointee.reader.isAtBoundary,
            endpoint.pointee.assembly.isEmpty)
        add(min(connection.streams, most))
        add(connection.inbox.isEmpty ? 0 : connection.inbox.size < ExplorerWorld.inbound.high ? 1 : 2)
        add(connection.outbox.isEmpty ? 0 : connection.outbox.unawaitedSize > 0 ? 2 : 1)
        add(connection.unwritten > 0, !connection.pings.isEmpty, !connection.terminationWaiters.isEmpty)
        if isFine {
            add(min(connection.inbox.size / 300, 20))
            add(min(connection.pings.count, most))
            add(min(((connection.transport as? SimulatedTransport)?.waitingBytes ?? 0) / 500, 20))
        }
    }

    private static func phase(_ phase: Endpoint.Phase) -> Int {
        switch phase {
        case .opening: 0
        case .open: 1
        case .closing: 2
        case .ending: 3
        case .closed: 4
        }
    }

    private static func kind(_ outcome: CloseOutcome?) -> Int {
        guard let outcome else { return 0 }
        return switch outcome.failure {
        case nil: 1
        case .protocolViolation: 2
        case .transport: 3
        case .endOfStream: 4
        case .aborted: 5
        default: 6
        }
    }
}

extension ExplorerEvent {
    fileprivate var hashed: Int { ExplorerEvent.allCases.firstIndex(of: self).map { $0 + 1 } ?? 0 }
}
