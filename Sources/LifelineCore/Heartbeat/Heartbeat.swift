/// The heartbeat of one open connection: when to send a Ping, when the peer has timed out, and how long a round trip
/// took.
///
/// A Ping's payload is its number, so that a Pong shows which Ping it answers. A peer may answer only the latest of several Pings
/// ([RFC 6455 §5.5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3)), so a Pong answers the earlier ones too.
struct Heartbeat {
    /// A Ping that has been sent and not answered.
    struct Outstanding {
        var number: UInt64
        var sentAt: MonotonicInstant
    }

    /// What is due.
    enum Due {
        case nothing
        case ping
        /// The peer was silent for too long after a Ping.
        case timeout
    }

    /// The most Pings that may be unanswered at a time.
    static let maximumOutstanding = 64

    private let interval: Int64
    private let timeout: Int64

    /// When the next Ping is due; `nil` if no Pings are sent.
    private var nextPing: MonotonicInstant?
    /// When the peer times out unless a byte arrives; set while a Ping is unanswered.
    private var silenceDeadline: MonotonicInstant?
    /// When the last byte arrived.
    private var lastInput: MonotonicInstant
    /// Whether the driver has stopped reading, so that nothing can arrive.
    private(set) var isPaused = false
    private var lastNumber: UInt64
    private var outstanding: [Outstanding] = []

    /// Creates a heartbeat that begins at `now`, with the first Ping in the second half of the interval.
    init(_ configuration: HeartbeatConfiguration, at now: MonotonicInstant, random: inout RandomPool) {
        interval = configuration.interval?.wholeNanoseconds ?? 0
        timeout = configuration.timeout.wholeNanoseconds
        lastInput = now
        // Unpredictable, so that a Pong proves that the Ping arrived.
        lastNumber = random.nextUInt64()
        if interval > 0 {
            let half = interval / 2
            let delay = half + Int64(random.nextUInt64() % UInt64(max(interval - half, 1)))
            nextPing = now.advanced(nanoseconds: delay)
        }
    }

    /// The next instant at which ``advance(to:)`` has something to do.
    var deadline: MonotonicInstant? {
        guard let silenceDeadline, !isPaused else { return nextPing }
        guard let nextPing else { return silenceDeadline }
        return min(silenceDeadline, nextPing)
    }

    /// Notes that bytes arrived.
    @inline(__always)
    mutating func noteInput(at now: MonotonicInstant) {
        lastInput = now
    }

    /// Notes that the driver has stopped reading, or reads again. When it reads again, the peer has the whole timeout again.
    mutating func setPaused(_ paused: Bool, at now: MonotonicInstant) {
        guard paused != isPaused else { return }
        isPaused = paused
        if !paused, silenceDeadline != nil { silenceDeadline = now.advanced(nanoseconds: timeout) }
    }

    /// Returns what is due at `now`.
    mutating func advance(to now: MonotonicInstant) -> Due {
        if !isPaused, let deadline = silenceDeadline, now >= deadline {
            // Bytes that arrived since then extend the deadline. Checking here, and not for each byte, costs nothing on the hot path.
            let extended = lastInput.advanced(nanoseconds: timeout)
            guard extended > now else { return .timeout }
            silenceDeadline = extended
        }
        if let due = nextPing, now >= due {
            nextPing = now.advanced(nanoseconds: interval)
            return .ping
        }
        return .nothing
    }

    /// Returns the number of a Ping that is sent at `now`; `nil` if too many are unanswered.
    mutating func ping(at now: MonotonicInstant) -> UInt64? {
        guard outstanding.count < Heartbeat.maximumOutstanding else { return nil }
        lastNumber &+= 1
        outstanding.append(Outstanding(number: lastNumber, sentAt: now))
        // The oldest unanswered Ping sets the deadline; later ones do not extend it.
        if silenceDeadline == nil { silenceDeadline = now.advanced(nanoseconds: timeout) }
        return lastNumber
    }

    /// Matches a Pong with the Ping that it answers.
    ///
    /// - Returns: The Ping's number and the round-trip time, or `nil` for an unsolicited Pong.
    mutating func pong(
        _ payload: UnsafeRawBufferPointer, at now: MonotonicInstant
    ) -> (number: UInt64, roundTrip: Duration)? {
        guard payload.count == 8 else { return nil }
        let number = UInt64(bigEndian: payload.loadUnaligned(as: UInt64.self))
        guard let index = outstanding.firstIndex(where: { $0.number == number }) else { return nil }
        let sentAt = outstanding[index].sentAt
        outstanding.removeSubrange(...index)
        if outstanding.isEmpty {
            outstanding = []  // Returns the memory: an idle connection keeps none.
            silenceDeadline = nil
        } else if silenceDeadline != nil {
            silenceDeadline = now.advanced(nanoseconds: timeout)
        }
        return (number, sentAt.duration(to: now))
    }
}
