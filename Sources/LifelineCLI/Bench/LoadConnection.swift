import Lifeline

/// One connection of the load. Confined to its loop.
final class LoadConnection: OnLoopHandler {
    /// The load outlives its connections.
    private unowned(unsafe) let load: LoadLoop
    /// Called when the connection is open.
    private let whenOpened: (LoadConnection) -> Void
    /// The connection, while it is open.
    @exclusivity(unchecked) private(set) var socket: OnLoopWebSocket?
    @exclusivity(unchecked) var inFlight: InFlight
    /// The number of published messages that arrived.
    @exclusivity(unchecked) var deliveries = 0
    /// Whether greetings are over: an echo has arrived, or more other messages than a server greets with.
    @exclusivity(unchecked) var isGreeted = false
    /// The number of messages before the first echo. If no echo ever arrives, they were wrong echoes.
    @exclusivity(unchecked) var greetings = 0
    @exclusivity(unchecked) var greetingText = ""
    /// The number of extra messages sent because a greeting might have been a wrong echo.
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

/// A connection that is closed as soon as it opens.
struct MomentaryConnection: OnLoopHandler {
    let load: LoadLoop
    /// When connecting began.
    let start: UInt64

    func opened(_ socket: OnLoopWebSocket) {
        load.noteOpened(since: start)
    }

    func received(_ message: borrowing ReceivedMessage, on socket: OnLoopWebSocket) {}
}
