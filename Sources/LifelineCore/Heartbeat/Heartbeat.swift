/// The heartbeat of one open connection: when to ping, when to give the peer up, and how long a round trip took.
///
/// Pings are numbered, and the number is their payload, so a Pong that comes back tells which Ping it answers. A peer may
/// answer only the latest of several Pings ([RFC 6455 §5.5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3)), so a
/// Pong answers the earlier ones too.
struct Heartbeat {
    /// A Ping that has been sent, and not answered.
    struct Outstanding {
        var number: UInt64
        var sentAt: MonotonicInstant
    }

    /// What is due.
    enum Due {
        case nothing
        case ping
        case peerIsDead
    }

    /// The most Pings that may wait for an answer at a time.
    static let maximumOutstanding = 64

    private let interval: Int64
    private let timeout: Int64

    /// When the next Ping is due; `nil` where none will be.
    private var nextPing: MonotonicInstant?
    /// When the peer is given up, unless a byte arrives; set while a Ping is unanswered.
    private var silenceDeadline: MonotonicInstant?
    /// When the last byte arrived.
    private var lastHeard: MonotonicInstant
    /// Whether reading has been stopped, so that nothing can be heard.
    private(set) var isDeaf = false
    private var lastNumber: UInt64
    private var outstanding: [Outstanding] = []

    /// A heartbeat that begins at `now`, with the first Ping in the second half of the interval.
    init(_ configuration: HeartbeatConfiguration, at now: MonotonicInstant, random: inout RandomPool) {
        interval = configuration.interval?.wholeNanoseconds ?? 0
        timeout = configuration.timeout.wholeNanoseconds
        lastHeard = now
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
        guard let silenceDeadline, !isDeaf else { return nextPing }
        guard let nextPing else { return silenceDeadline }
        return min(silenceDeadline, nextPing)
    }

    /// Notes that bytes arrived.
    @inline(__always)
    mutating func heard(at now: MonotonicInstant) {
        lastHeard = now
    }

    /// Notes that reading was stopped, or goes on. From the moment it goes on, the peer has the whole timeout again.
    mutating func setDeaf(_ deaf: Bool, at now: MonotonicInstant) {
        guard deaf != isDeaf else { return }
        isDeaf = deaf
        if !deaf, silenceDeadline != nil { silenceDeadline = now.advanced(nanoseconds: timeout) }
    }

    /// What is due at `now`.
    mutating func advance(to now: MonotonicInstant) -> Due {
        if !isDeaf, let deadline = silenceDeadline, now >= deadline {
            // Bytes since then put the verdict off; they cost nothing when they arrive, but are looked at here.
            let extended = lastHeard.advanced(nanoseconds: timeout)
            guard extended > now else { return .peerIsDead }
            silenceDeadline = extended
        }
        if let due = nextPing, now >= due {
            nextPing = now.advanced(nanoseconds: interval)
            return .ping
        }
        return .nothing
    }

    /// Numbers a Ping that is sent at `now`; `nil` where too many are unanswered.
    mutating func ping(at now: MonotonicInstant) -> UInt64? {
        guard outstanding.count < Heartbeat.maximumOutstanding else { return nil }
        lastNumber &+= 1
        outstanding.append(Outstanding(number: lastNumber, sentAt: now))
        // The oldest unanswered Ping sets the deadline; later ones do not put it off.
        if silenceDeadline == nil { silenceDeadline = now.advanced(nanoseconds: timeout) }
        return lastNumber
    }

    /// Matches a Pong with the Ping it answers.
    ///
    /// - Returns: The answered Ping's number and the round trip's time, or `nil` for an unsolicited Pong.
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
        return (number, now.duration(since: sentAt))
    }
}
