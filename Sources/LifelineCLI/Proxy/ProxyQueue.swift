import Lifeline
import LifelineLocks
import LifelineRelay
import NIOCore

/// The events of relayed connections that wait for their reader.
///
/// Adding one never blocks. If too much waits, the queue drops the bytes of the connection that adds more, and adds a
/// note for the reader.
final class ProxyQueue: Sendable {
    /// An entry of the queue.
    enum Entry: Sendable {
        case event(RelayEvent)
        /// The queue has dropped the connection's bytes from here on.
        case lost(connection: UInt64, MonotonicInstant)
        /// A tenth of a second has passed.
        case tick
    }

    private struct State {
        var entries: [Entry] = []
        var size = 0
        /// The connections whose bytes the queue drops.
        var lost: Set<UInt64> = []
    }

    /// The most bytes that may wait.
    private static let limit = 64 << 20
    /// The size of an entry without its bytes.
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
                // The buffer behind the bytes counts, which may be much larger.
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

    /// Adds a tick, unless the last entry is one.
    func tick() {
        state.withLock { state in
            if case .tick? = state.entries.last { return }
            state.entries.append(.tick)
        }
        arrival.yield()
    }

    /// Lets ``read(_:)`` return once it has read everything.
    func finish() {
        arrival.finish()
    }

    /// Passes entries to a reader. Returns once ``finish()`` was called and everything is read.
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
