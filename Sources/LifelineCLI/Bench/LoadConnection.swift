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
    /// Whether whatever comes answers what was sent: an echo has come, or more than a server greets with.
    @exclusivity(unchecked) var isGreeted = false
    /// How many messages have come before, while an echo was waited for, that are none. Where none ever comes, they are wrong ones.
    @exclusivity(unchecked) var greetings = 0
    @exclusivity(unchecked) var greetingText = ""
    /// The messages that were sent in the place of those that greetings seemed to answer.
    @exclusivity(unchecked) var surplus = 0

    init(_ load: LoadLoop, capacity: Int, whenOpened: @escaping (LoadConnection) -> Void) {
        self.load = load
        self.whenOpened = whenOpened
        inFlight = InFlight(capacity: capacity + LoadLoop.maximumGreetings)
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
