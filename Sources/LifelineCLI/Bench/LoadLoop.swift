import Lifeline
import LifelineTrace

/// The load of one event loop: its connections and their counts.
///
/// `@unchecked Sendable`: it is confined to its loop. The handlers of its connections call it there; all other code
/// uses `ClientLoops.execute(on:_:)`.
final class LoadLoop: @unchecked Sendable {
    /// The phase of the run.
    enum Phase {
        /// Connections open, and do nothing yet.
        case opening
        /// Connections send and receive as the mode says.
        case loading
        /// Connections wait for messages in flight, and send nothing more.
        case draining
        /// Connections close.
        case closing
    }

    private let plan: BenchPlan
    private let payload: Payload
    private let expectsEchoes: Bool
    /// The deliveries of published messages over all loops, in mode publish.
    private let progress: BroadcastProgress?
    /// The connection that publishes, if it is on this loop.
    @exclusivity(unchecked) private var publisher: LoadConnection?
    @exclusivity(unchecked) private var published = PublishedMessages()
    /// Makes the publisher's loop publish; `nil` on that loop itself.
    @exclusivity(unchecked) private var wakePublisher: (() -> Void)?
    @exclusivity(unchecked) private var phase = Phase.opening
    @exclusivity(unchecked) private var tally = Tally()
    @exclusivity(unchecked) private var schedule: Schedule?
    /// The connections that may send, one entry for each message.
    @exclusivity(unchecked) private var ready = ReadyQueue()
    private var connections: [ObjectIdentifier: LoadConnection] = [:]
    /// The faults since the run began.
    private(set) var faults = Faults()

    init(_ plan: BenchPlan, _ progress: BroadcastProgress?) {
        self.plan = plan
        self.progress = progress
        payload = plan.payload
        expectsEchoes = plan.mode == .echo
    }

    /// The number of open connections.
    var openConnections: Int { connections.count }

    /// The number of messages in flight.
    var messagesInFlight: Int {
        connections.values.reduce(publisher == nil ? 0 : progress?.outstanding ?? 0) { $0 + $1.inFlight.count }
    }

    // MARK: Called by the run

    /// Starts the load.
    ///
    /// - Parameters:
    ///   - schedule: When to send, or `nil` to send after each echo, or after each message that every connection
    ///     received.
    ///   - wakePublisher: Makes the publisher's loop call ``publish()``; `nil` on that loop itself.
    func begin(_ schedule: Schedule?, wakePublisher: (() -> Void)?) {
        phase = .loading
        self.schedule = schedule
        self.wakePublisher = wakePublisher
        if plan.mode == .echo {
            for connection in connections.values { fill(connection) }
        } else {
            publish()
        }
    }

    /// Returns the counts since the last call, and resets them.
    func take() -> Tally {
        defer { tally = Tally() }
        return tally
    }

    /// Sends the messages that are due.
    func tick() {
        guard phase == .loading else { return }
        if publisher != nil { return publish() }
        let now = System.monotonicTime()
        while let connection = ready.first {
            guard let socket = connection.socket else {
                ready.removeFirst()
                continue
            }
            guard let due = schedule?.take(by: now) else { return }
            ready.removeFirst()
            send(on: socket, connection, since: due)
        }
    }

    /// Ends the load. Echoes of messages in flight may still arrive.
    ///
    /// - Returns: The counts since ``take()``, and the number of messages that were due and never sent.
    func finish() -> (Tally, overdue: Int) {
        phase = .draining
        var overdue = 0
        if let schedule {
            let now = System.monotonicTime()
            // Messages in flight have waited at least this long. Without them, a stall at the end would not show.
            for connection in connections.values {
                for since in connection.inFlight.moments { tally.latencies.record(now &- since) }
            }
            if let progress {
                published.outstanding(after: progress.settled) { tally.latencies.record(now &- $0, count: $1) }
            }
            schedule.overdue(at: now) { waited, count in
                tally.latencies.record(waited, count: count * (progress?.audience ?? 1))
                overdue += count
            }
        }
        return (take(), overdue)
    }

    /// Starts the closing handshake of every connection.
    func close() {
        phase = .closing
        var unanswered = messagesInFlight
        for connection in connections.values where !connection.isGreeted && connection.deliveries == 0 {
            // Messages in place of an echo that never arrived were no greetings.
            let wrong = expectsEchoes ? min(connection.greetings, connection.inFlight.count) : connection.greetings
            faults.note(.wrongEcho, connection.greetingText, count: wrong)
            if expectsEchoes { unanswered -= wrong }
        }
        faults.note(
            .unanswered,
            progress == nil
                ? "\(unanswered.counted("message")) sent and not echoed"
                : "the server did not forward each message to all connections, including the sender's",
            count: unanswered)
        for connection in connections.values {
            // 1000 can always be sent.
            try? connection.socket?.close()
        }
    }

    /// Counts a failed attempt to connect.
    func note(_ error: WebSocketError) {
        faults.note(error)
    }

    /// Counts an opened connection, and how long opening it took.
    func noteOpened(since start: UInt64) {
        tally.count += 1
        tally.latencies.record(System.monotonicTime() &- start)
    }

    /// Counts the end of a connection that this side closed.
    func noteClosed(_ outcome: CloseOutcome) {
        if !outcome.isClean { faults.note(outcome) }
    }

    // MARK: Called by the connections

    func opened(_ connection: LoadConnection) {
        connections[ObjectIdentifier(connection)] = connection
        progress?.subscriberOpened()
    }

    /// Makes a connection the publisher.
    func choosePublisher(_ connection: LoadConnection) {
        publisher = connection
    }

    func closed(_ connection: LoadConnection, _ outcome: CloseOutcome) {
        connections[ObjectIdentifier(connection)] = nil
        if phase != .closing { faults.note(outcome) }
        if progress?.subscriberClosed(after: connection.deliveries) == true { publishNext() }
    }

    /// A message has arrived.
    @inline(__always)
    func received(
        _ message: borrowing ReceivedMessage, on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection
    ) {
        if expectsEchoes {
            echoed(message, on: socket, connection)
        } else if progress != nil {
            delivered(message, connection)
        } else if plan.mode == .push {
            tally.count &+= 1
            tally.bytes &+= message.count
        }
    }

    @inline(__always)
    private func echoed(
        _ message: borrowing ReceivedMessage, on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection
    ) {
        let now = System.monotonicTime()
        let isRight = payload.matches(message)
        if !connection.isGreeted, !isRight || connection.inFlight.count == 0 {
            guard noteGreeting(message, connection), phase == .loading, connection.inFlight.count > 0 else { return }
            // Sends without waiting: if this was a wrong echo, no other one arrives.
            connection.surplus += 1
            return sendNext(on: socket, connection, since: now)
        }
        guard let since = connection.inFlight.popFirst() else {
            return faults.note(.wrongEcho, "a message arrived that was never sent")
        }
        if isRight {
            connection.isGreeted = true
            tally.count &+= 1
            tally.bytes &+= message.count
            tally.latencies.record(now &- since)
        } else {
            noteWrongEcho(message)
        }
        guard phase == .loading else { return }
        guard connection.surplus == 0 else {
            connection.surplus -= 1
            return
        }
        sendNext(on: socket, connection, since: now)
    }

    /// Sends the next message, or marks the connection as ready.
    @inline(__always)
    private func sendNext(
        on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection, since now: UInt64
    ) {
        if schedule == nil {
            send(on: socket, connection, since: now)
        } else if ready.isEmpty, let due = schedule?.take(by: now) {
            send(on: socket, connection, since: due)
        } else {
            ready.append(connection)
        }
    }

    @inline(__always)
    private func delivered(_ message: borrowing ReceivedMessage, _ connection: LoadConnection) {
        guard let since = payload.moment(of: message), let progress else {
            if connection.deliveries > 0 { return noteWrongEcho(message) }
            _ = noteGreeting(message, connection)
            return
        }
        connection.deliveries &+= 1
        tally.count &+= 1
        tally.bytes &+= message.count
        tally.latencies.record(System.monotonicTime() &- since)
        if progress.settle() { publishNext() }
    }

    private func noteWrongEcho(_ message: borrowing ReceivedMessage) {
        faults.note(.wrongEcho, wrongEchoText(message))
    }

    private func wrongEchoText(_ message: borrowing ReceivedMessage) -> String {
        let (count, kind) = (message.count, message.kind)
        return count != payload.bytes.count
            ? "the echo has \(count.counted("byte")), not \(payload.bytes.count)"
            : "the echo, a \(kind) message, differs in kind or content"
    }

    /// The most messages with which a server greets before it answers. Further ones are wrong echoes.
    static let maximumGreetings = 4

    /// Counts a message before the first echo, which may be a greeting.
    ///
    /// - Returns: Whether it may be one. If not, the messages before it were wrong echoes too.
    private func noteGreeting(_ message: borrowing ReceivedMessage, _ connection: LoadConnection) -> Bool {
        guard phase == .loading || phase == .draining else { return true }
        if connection.greetings == 0 { connection.greetingText = wrongEchoText(message) }
        guard connection.greetings >= LoadLoop.maximumGreetings, expectsEchoes else {
            connection.greetings += 1
            return true
        }
        connection.isGreeted = true
        faults.note(.wrongEcho, connection.greetingText, count: connection.greetings + 1)
        for _ in 0..<connection.greetings { _ = connection.inFlight.popFirst() }
        connection.surplus = 0
        if let since = connection.inFlight.popFirst(), phase == .loading, let socket = connection.socket {
            sendNext(on: socket, connection, since: max(since, System.monotonicTime()))
        }
        return false
    }

    // MARK: Publishing

    private func publishNext() {
        if let wakePublisher { wakePublisher() } else { publish() }
    }

    /// Publishes as many messages as may be in flight and, with a schedule, are due.
    func publish() {
        guard phase == .loading, let progress, let socket = publisher?.socket else { return }
        while true {
            published.settle(progress.settled)
            guard published.count < plan.inFlight else {
                progress.setGoal(published.goal)
                // The goal may have been reached before it was set.
                guard let goal = published.goal, progress.settled >= goal else { return }
                continue
            }
            let now = System.monotonicTime()
            guard let moment = schedule == nil ? now : schedule?.take(by: now) else { return }
            published.append(moment, until: progress.publish())
            if case .closed = payload.send(payload.stamped(moment), on: socket) { return }
        }
    }

    // MARK: Sending

    /// Sends the first messages of a connection.
    private func fill(_ connection: LoadConnection) {
        guard let socket = connection.socket else { return }
        for _ in 0..<plan.inFlight {
            if schedule == nil {
                send(on: socket, connection, since: System.monotonicTime())
            } else {
                ready.append(connection)
            }
        }
    }

    @inline(__always)
    private func send(
        on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection, since moment: UInt64
    ) {
        switch payload.send(on: socket) {
        case .sent, .sentButFull: connection.inFlight.append(moment)
        // `closed` is about to be called.
        case .closed: break
        }
    }
}
