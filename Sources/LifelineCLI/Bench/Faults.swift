import Lifeline

/// The faults of a run, by kind.
struct Faults: Sendable {
    /// A kind of fault.
    enum Kind: String, CaseIterable, Sendable {
        /// TCP or TLS could not connect.
        case connect
        /// The opening handshake was refused, invalid or not finished.
        case handshake
        /// The server closed the connection.
        case closed
        /// The connection ended without a closing handshake.
        case lost
        /// The echo was not what was sent.
        case wrongEcho
        /// The echo had not arrived when the connections were closed.
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

    /// The number of faults of a kind.
    subscript(kind: Kind) -> Int { counts[kind] ?? 0 }

    /// The number of faults.
    var total: Int { counts.values.reduce(0, +) }

    /// Counts a fault.
    mutating func note(_ kind: Kind, _ example: @autoclosure () -> String, count: Int = 1) {
        guard count > 0 else { return }
        counts[kind, default: 0] += count
        if examples[kind] == nil { examples[kind] = example() }
    }

    /// Counts a failed attempt to connect.
    mutating func note(_ error: WebSocketError) {
        switch error.code {
        case .handshakeRefused, .handshakeFailed, .handshakeInterrupted: note(.handshake, error.message)
        // The run ended, and cancelled it.
        case .cancelled: note(.unanswered, "a connection did not open in time")
        default: note(.connect, error.message)
        }
    }

    /// Counts an unexpected end of a connection.
    mutating func note(_ outcome: CloseOutcome) {
        note(outcome.isClean ? .closed : .lost, "\(outcome)")
    }

    /// Adds the faults of another loop.
    mutating func add(_ other: Faults) {
        for (kind, count) in other.counts { note(kind, other.examples[kind] ?? "", count: count) }
    }

    /// The exit status: that of the worst fault.
    var status: BenchStatus {
        if self[.closed] + self[.lost] + self[.wrongEcho] + self[.unanswered] > 0 { return .abnormal }
        if self[.handshake] > 0 { return .refused }
        return self[.connect] > 0 ? .unconnected : .success
    }

    /// The results of a run.
    enum BenchStatus {
        case success, unconnected, refused, abnormal
    }
}
