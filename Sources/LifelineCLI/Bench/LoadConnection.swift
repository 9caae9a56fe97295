import Lifeline

/// One connection of the load, on its loop.
final class LoadConnection: OnLoopHandler {
    /// It outlives its connections.
    private unowned(unsafe) let load: LoadLoop
    /// Called once it is open.
    private let whenOpened: (LoadConnection) -> Void
    /// The connection, while it is open.
    @exclusivity(unchecked) private(set) var socket: OnLoopWebSocket?
    @exclusivity(unchecked) var inFlight: InFlight
    /// How many published messages have come.
    @exclusivity(unchecked) var deliveries = 0

    init(_ load: LoadLoop, capacity: Int, whenOpened: @escaping (LoadConnection) -> Void) {
        self.load = load
        self.whenOpened = whenOpened
        inFlight = InFlight(capacity: capacity)
    }

    func opened(_ socket: OnLoopWebSocket) {
        self.socket = socket
        load.opened(self)
        whenOpened(self)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {
        load.received(message, on: socket, self)
    }

    func closed(_ outcome: CloseOutcome, on socket: OnLoopWebSocket) {
        self.socket = nil
        load.closed(self, outcome)
    }
}

/// A connection that is closed as soon as it is open.
struct MomentaryConnection: OnLoopHandler {
    let load: LoadLoop
    /// When it was begun.
    let start: UInt64

    func opened(_ socket: OnLoopWebSocket) {
        load.noteOpened(since: start)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {}
}
