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
            dimensions: [("code", "\(outcome.code.rawValue)"), ("clean", "\(outcome.isClean)")]
        ).increment()
    }

    func refused(_ refusal: HandshakeRefusal) {
        Counter(
            label: "websocket_handshakes_refused_total",
            dimensions: [("status", "\(refusal.status.code)"), ("reason", "\(refusal.reason)")]
        ).increment()
    }
}
