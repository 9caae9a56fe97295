import Lifeline

/// What went wrong, by kind.
struct Faults: Sendable {
    /// A kind of thing that goes wrong.
    enum Kind: String, CaseIterable, Sendable {
        /// No TCP connection came about, or no TLS.
        case connect
        /// The opening handshake was refused, broken or not finished.
        case handshake
        /// The server closed the connection.
        case closed
        /// The connection ended without a closing handshake.
        case lost
        /// What came back is not what was sent.
        case wrongEcho
        /// What was sent had not come back when the connections were closed.
        case unanswered

        /// The kind in words.
        var name: String {
            switch self {
            case .connect: "no connection"
            case .handshake: "opening handshake failed"
            case .closed: "closed by the server"
            case .lost: "connection lost"
            case .wrongEcho: "wrong echo"
            case .unanswered: "no answer"
            }
        }
    }

    private var counts: [Kind: Int] = [:]
    /// The first of each kind, in words.
    private(set) var examples: [Kind: String] = [:]

    /// How many there were of a kind.
    subscript(kind: Kind) -> Int { counts[kind] ?? 0 }

    /// How many there were.
    var total: Int { counts.values.reduce(0, +) }

    /// Counts something.
    mutating func note(_ kind: Kind, _ example: @autoclosure () -> String, count: Int = 1) {
        guard count > 0 else { return }
        counts[kind, default: 0] += count
        if examples[kind] == nil { examples[kind] = example() }
    }

    /// Counts an attempt to connect that failed.
    mutating func note(_ error: WebSocketError) {
        switch error.code {
        case .handshakeRefused, .handshakeFailed, .handshakeInterrupted: note(.handshake, error.message)
        // At the end of the run, after some patience.
        case .cancelled: note(.unanswered, "a connection that was not open in time")
        default: note(.connect, error.message)
        }
    }

    /// Counts the end of a connection that this side did not want.
    mutating func note(_ outcome: CloseOutcome) {
        note(outcome.isClean ? .closed : .lost, "\(outcome)")
    }

    /// Adds what others have counted.
    mutating func add(_ other: Faults) {
        for (kind, count) in other.counts { note(kind, other.examples[kind] ?? "", count: count) }
    }

    /// The exit status that they call for: that of the worst.
    var status: BenchStatus {
        if self[.closed] + self[.lost] + self[.wrongEcho] + self[.unanswered] > 0 { return .abnormal }
        if self[.handshake] > 0 { return .refused }
        return self[.connect] > 0 ? .unconnected : .success
    }

    /// How a run ends.
    enum BenchStatus {
        case success, unconnected, refused, abnormal
    }
}
