import HTTPTypes
import LifelineCore
import Metrics

/// A server's metrics, recorded with swift-metrics.
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

    /// The label of a close code. Each code that the protocol defines has a label of its own. The codes of libraries
    /// share one, and so do those of applications (RFC 6455 §7.4.2), so that peers cannot create thousands of time
    /// series.
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
