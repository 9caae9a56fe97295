import Lifeline
import LifelineLocks

/// A control frame of the connection.
struct ControlEvent: Sendable {
    let opcode: Opcode
    let isSent: Bool
    let payload: [UInt8]
    /// The round-trip time, for a Pong that answers a Ping of this side.
    let roundTrip: Duration?
    let time: Timestamp
}

/// The control frames of the connection, in their order among the messages.
///
/// Messages and observed events reach the command by different paths, so the journal has a mark for each message: the
/// control frames before the mark arrived before the message.
final class ControlJournal: LifecycleObserver {
    private enum Entry {
        case control(ControlEvent)
        case message
    }

    private struct State {
        var entries: [Entry] = []
        /// This side's unanswered Pings, with the times at which they were sent.
        var pings: [(payload: [UInt8], sentAt: MonotonicInstant)] = []
        /// The number of control frames that were dropped because too many waited.
        var omitted = 0
    }

    /// The most entries that wait for a slow output.
    private static let maximumEntries = 10_000
    private static let maximumPings = 64

    private let state = Lock(State())
    /// Has an element whenever ``take(withMessage:)`` may have something to return.
    let arrivals: AsyncStream<Void>
    private let arrival: AsyncStream<Void>.Continuation

    init() {
        (arrivals, arrival) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func observe(_ event: LifecycleEvent) {
        switch event.kind {
        case .frameSent(let header, let payload) where header.opcode.isControl:
            note(header.opcode, isSent: true, payload, event.instant)
        case .frameReceived(let header, let payload) where header.opcode.isControl:
            note(header.opcode, isSent: false, payload, event.instant)
        case .frameReceived(let header, _) where header.isFinal:
            state.withLock { state in
                // Messages after this side's Close frame are never shown, so their marks may be dropped.
                if state.entries.count < ControlJournal.maximumEntries { state.entries.append(.message) }
            }
        default:
            break
        }
    }

    private func note(_ opcode: Opcode, isSent: Bool, _ payload: [UInt8], _ instant: MonotonicInstant) {
        state.withLock { state in
            var roundTrip: Duration?
            if opcode == .ping, isSent, state.pings.count < ControlJournal.maximumPings {
                state.pings.append((payload, instant))
            }
            if opcode == .pong, !isSent, let index = state.pings.firstIndex(where: { $0.payload == payload }) {
                roundTrip = state.pings[index].sentAt.duration(to: instant)
                state.pings.removeSubrange(...index)
            }
            guard state.entries.count < ControlJournal.maximumEntries else {
                state.omitted += 1
                return
            }
            state.entries.append(
                .control(
                    ControlEvent(
                        opcode: opcode, isSent: isSent, payload: payload, roundTrip: roundTrip, time: .now)))
        }
        arrival.yield()
    }

    /// Removes and returns the control frames before the next message.
    ///
    /// - Parameter isMessage: Whether to remove the message's mark as well, because the message is about to be shown.
    /// - Returns: The control frames, and the number of dropped ones.
    func take(withMessage isMessage: Bool) -> (events: [ControlEvent], omitted: Int) {
        state.withLock { state in
            var events: [ControlEvent] = []
            var count = 0
            loop: for entry in state.entries {
                switch entry {
                case .control(let event):
                    events.append(event)
                    count += 1
                case .message:
                    if isMessage { count += 1 }
                    break loop
                }
            }
            state.entries.removeFirst(count)
            defer { state.omitted = 0 }
            return (events, state.omitted)
        }
    }
}
