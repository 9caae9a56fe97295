import Lifeline
import LifelineTrace

/// The load of one event loop: its connections, and what they have counted.
///
/// `@unchecked Sendable`: it is confined to its loop. The handlers of its connections call it there, and everybody else goes
/// through `ClientLoops.execute(on:_:)`.
final class LoadLoop: @unchecked Sendable {
    /// What the connections are for at the moment.
    enum Phase {
        /// Connections are being opened, and do nothing yet.
        case opening
        /// They do what the mode says.
        case loading
        /// They await what is on its way, and send nothing more.
        case draining
        /// They are being closed.
        case closing
    }

    private let plan: BenchPlan
    private let payload: Payload
    private let expectsEchoes: Bool
    /// How far published messages have come, over all loops; in the mode publish.
    private let publication: Publication?
    /// The connection that publishes, where it is one of this loop's: the first of them.
    @exclusivity(unchecked) private var publisher: LoadConnection?
    @exclusivity(unchecked) private var published = PublishedMessages()
    /// Has the publisher's loop publish; `nil` on that loop.
    @exclusivity(unchecked) private var wakePublisher: (() -> Void)?
    @exclusivity(unchecked) private var phase = Phase.opening
    @exclusivity(unchecked) private var tally = Tally()
    @exclusivity(unchecked) private var schedule: Schedule?
    /// Connections with room for another message, in the order in which they have come to have it; one place a message.
    @exclusivity(unchecked) private var vacancies = Vacancies()
    private var connections: [ObjectIdentifier: LoadConnection] = [:]
    /// What went wrong, from the beginning on.
    private(set) var faults = Faults()

    init(_ plan: BenchPlan, _ publication: Publication?) {
        self.plan = plan
        self.publication = publication
        payload = plan.payload
        expectsEchoes = plan.mode == .echo
    }

    /// The number of open connections.
    var openConnections: Int { connections.count }

    /// The number of messages on their way.
    var messagesInFlight: Int {
        connections.values.reduce(publisher == nil ? 0 : publication?.outstanding ?? 0) { $0 + $1.inFlight.count }
    }

    // MARK: What the run asks for

    /// Begins the load.
    ///
    /// - Parameters:
    ///   - schedule: When to send; `nil` sends whenever an echo has come, or a message has come everywhere.
    ///   - wakePublisher: Has the publisher's loop call ``publish()``; `nil` on that loop itself.
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

    /// Takes what has been counted since the last time.
    func take() -> Tally {
        defer { tally = Tally() }
        return tally
    }

    /// Sends what is due.
    func tick() {
        guard phase == .loading else { return }
        if publisher != nil { return publish() }
        let now = System.monotonicTime()
        while let connection = vacancies.first {
            guard let socket = connection.socket else {
                vacancies.removeFirst()
                continue
            }
            guard let due = schedule?.take(by: now) else { return }
            vacancies.removeFirst()
            send(on: socket, connection, since: due)
        }
    }

    /// Ends the load; echoes that are on their way may still come.
    ///
    /// - Returns: What has been counted since the last time, and how many messages were due and never sent.
    func finish() -> (Tally, overdue: Int) {
        phase = .draining
        var overdue = 0
        if let schedule {
            let now = System.monotonicTime()
            // They have waited that long at least; without them, a stall at the end would not show.
            for connection in connections.values {
                for since in connection.inFlight.moments { tally.latencies.record(now &- since) }
            }
            if let publication {
                published.outstanding(after: publication.settled) { tally.latencies.record(now &- $0, count: $1) }
            }
            schedule.overdue(at: now) { waited, count in
                tally.latencies.record(waited, count: count * (publication?.audience ?? 1))
                overdue += count
            }
        }
        return (take(), overdue)
    }

    /// Begins the closing handshake of every connection.
    func close() {
        phase = .closing
        var unanswered = messagesInFlight
        for connection in connections.values where !connection.isGreeted && connection.deliveries == 0 {
            // What has come in place of the echoes that never came was no greeting.
            let wrong = expectsEchoes ? min(connection.greetings, connection.inFlight.count) : connection.greetings
            faults.note(.wrongEcho, connection.greetingText, count: wrong)
            if expectsEchoes { unanswered -= wrong }
        }
        faults.note(
            .unanswered,
            publication == nil
                ? "\(unanswered.counted("message")) sent and not echoed"
                : "the server has not sent on to all connections, the sender's among them, what was published",
            count: unanswered)
        for connection in connections.values {
            // 1000 can always be sent.
            try? connection.socket?.close()
        }
    }

    /// Counts an attempt to connect that failed.
    func note(_ error: WebSocketError) {
        faults.note(error)
    }

    /// Counts a connection that was opened, with the time from its beginning on.
    func noteOpened(since start: UInt64) {
        tally.count += 1
        tally.latencies.record(System.monotonicTime() &- start)
    }

    /// Counts the end of a connection that this side has closed.
    func noteClosed(_ outcome: CloseOutcome) {
        if !outcome.isClean { faults.note(outcome) }
    }

    // MARK: What the connections report

    func opened(_ connection: LoadConnection) {
        connections[ObjectIdentifier(connection)] = connection
        publication?.subscriberOpened()
    }

    /// Makes a connection the one that publishes.
    func choosePublisher(_ connection: LoadConnection) {
        publisher = connection
    }

    func closed(_ connection: LoadConnection, _ outcome: CloseOutcome) {
        connections[ObjectIdentifier(connection)] = nil
        if phase != .closing { faults.note(outcome) }
        if publication?.subscriberClosed(after: connection.deliveries) == true { publishNext() }
    }

    /// A message has arrived.
    @inline(__always)
    func received(
        _ message: borrowing ReceivedMessage, on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection
    ) {
        if expectsEchoes {
            echoed(message, on: socket, connection)
        } else if publication != nil {
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
            // Not waited for: where it was a wrong echo, no other comes.
            connection.surplus += 1
            return sendNext(on: socket, connection, since: now)
        }
        guard let since = connection.inFlight.popFirst() else {
            return faults.note(.wrongEcho, "a message came that answers none")
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

    /// Sends another message, or notes that there is room for one.
    @inline(__always)
    private func sendNext(
        on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection, since now: UInt64
    ) {
        if schedule == nil {
            send(on: socket, connection, since: now)
        } else if vacancies.isEmpty, let due = schedule?.take(by: now) {
            send(on: socket, connection, since: due)
        } else {
            vacancies.append(connection)
        }
    }

    @inline(__always)
    private func delivered(_ message: borrowing ReceivedMessage, _ connection: LoadConnection) {
        guard let since = payload.moment(of: message), let publication else {
            if connection.deliveries > 0 { return noteWrongEcho(message) }
            _ = noteGreeting(message, connection)
            return
        }
        connection.deliveries &+= 1
        tally.count &+= 1
        tally.bytes &+= message.count
        tally.latencies.record(System.monotonicTime() &- since)
        if publication.settle() { publishNext() }
    }

    private func noteWrongEcho(_ message: borrowing ReceivedMessage) {
        faults.note(.wrongEcho, wrongEchoText(message))
    }

    private func wrongEchoText(_ message: borrowing ReceivedMessage) -> String {
        let (count, kind) = (message.count, message.kind)
        return count != payload.bytes.count
            ? "\(count.counted("byte")) came back for \(payload.bytes.count)"
            : "\(kind) came back, with other bytes or of another kind"
    }

    /// The most messages that a server sends of itself before it answers; what is more are wrong echoes.
    static let maximumGreetings = 4

    /// Notes what a server sends of itself, before it answers for the first time: that it is there, or who is.
    ///
    /// - Returns: Whether it may be that. What came before it was nothing of the kind otherwise.
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

    /// Publishes what there is room for and, with a schedule, is due.
    func publish() {
        guard phase == .loading, let publication, let socket = publisher?.socket else { return }
        while true {
            published.settle(publication.settled)
            guard published.count < plan.inFlight else {
                publication.setGoal(published.goal)
                // It may have been reached before it was set.
                guard let goal = published.goal, publication.settled >= goal else { return }
                continue
            }
            let now = System.monotonicTime()
            guard let moment = schedule == nil ? now : schedule?.take(by: now) else { return }
            published.append(moment, until: publication.publish())
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
                vacancies.append(connection)
            }
        }
    }

    @inline(__always)
    private func send(
        on socket: borrowing OnLoopWebSocket, _ connection: LoadConnection, since moment: UInt64
    ) {
        switch payload.send(on: socket) {
        case .sent, .sentButFull: connection.inFlight.append(moment)
        // Its end is about to be reported.
        case .closed: break
        }
    }
}
