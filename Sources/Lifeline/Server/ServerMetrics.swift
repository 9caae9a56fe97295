import HTTPTypes
import LifelineCore
import Metrics

/// What a server counts, with swift-metrics.
struct ServerMetrics: Sendable {
    private let openedCounter = Counter(label: "websocket_connections_opened_total")

    func opened() {
        openedCounter.increment()
    }

    func closed(_ outcome: CloseOutcome) {
        Counter(
            label: "websocket_connections_closed_total",
            dimensions: [("code", ServerMetrics.label(outcome.code)), ("clean", "\(outcome.isClean)")]
        ).increment()
    }

    /// The label of a close code. Codes of the protocol have one each; libraries' and applications' share one (RFC 6455
    /// §7.4.2), so that no peer makes as many time series as there are codes.
    static func label(_ code: CloseCode) -> String {
        switch code.rawValue {
        case 1000...1015: "\(code.rawValue)"
        case 3000...3999: "3xxx"
        case 4000...4999: "4xxx"
        default: "other"
        }
    }

    func refused(_ refusal: HandshakeRefusal) {
        Counter(
            label: "websocket_handshakes_refused_total",
            dimensions: [("status", "\(refusal.status.code)"), ("reason", "\(refusal.reason)")]
        ).increment()
    }
}
