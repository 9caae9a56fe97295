import Lifeline
import LifelineLocks
import LifelineRelay
import NIOCore

/// The steps of relayed connections that wait to be read.
///
/// Whoever adds one never waits. Where too much waits, the bytes of the connection that adds more are left out, and its reader
/// is told.
final class ProxyQueue: Sendable {
    /// What waits.
    enum Entry: Sendable {
        case event(RelayEvent)
        /// Bytes of the connection are missing from here on.
        case lost(connection: UInt64, MonotonicInstant)
        /// A moment has passed.
        case tick
    }

    private struct State {
        var entries: [Entry] = []
        var size = 0
        /// The connections of which bytes are left out.
        var lost: Set<UInt64> = []
    }

    /// The most bytes that wait.
    private static let limit = 64 << 20
    /// What an entry takes besides its bytes.
    private static let entrySize = 256

    private let state = Lock(State())
    private let arrivals: AsyncStream<Void>
    private let arrival: AsyncStream<Void>.Continuation

    init() {
        (arrivals, arrival) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func add(_ event: RelayEvent) {
        let isFirst = state.withLock { state in
            let wasEmpty = state.entries.isEmpty
            switch event.kind {
            case .bytes(let bytes, from: _):
                guard !state.lost.contains(event.connection) else { return false }
                // The memory behind the bytes counts, of which they may be a small part.
                let size = max(bytes.readableBytes, bytes.storageCapacity)
                guard state.size + size + ProxyQueue.entrySize <= ProxyQueue.limit else {
                    state.lost.insert(event.connection)
                    state.entries.append(.lost(connection: event.connection, event.instant))
                    return wasEmpty
                }
                state.size += size
            case .ended: state.lost.remove(event.connection)
            default:
                // Events other than bytes may use twice the limit, so that queued bytes do not displace them.
                guard state.size + ProxyQueue.entrySize <= 2 * ProxyQueue.limit else { return false }
            }
            state.size += ProxyQueue.entrySize
            state.entries.append(.event(event))
            return wasEmpty
        }
        if isFirst { arrival.yield() }
    }

    /// Notes that a moment has passed.
    func tick() {
        state.withLock { state in
            if case .tick? = state.entries.last { return }
            state.entries.append(.tick)
        }
        arrival.yield()
    }

    /// Nothing more will come.
    func finish() {
        arrival.finish()
    }

    /// Gives what comes to a reader, until ``finish()`` is called and all has been read.
    func read(_ reader: ProxyReader) async {
        for await _ in arrivals { await reader.read(taken()) }
        await reader.read(taken())
    }

    private func taken() -> [Entry] {
        state.withLock { state in
            defer {
                state.entries = []
                state.size = 0
            }
            return state.entries
        }
    }
}
