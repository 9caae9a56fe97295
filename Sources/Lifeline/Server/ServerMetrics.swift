import HTTPTypes
import LifelineCore
import LifelineLocks
import Metrics

/// A server's metrics, recorded with swift-metrics. `docs/metrics.md` describes each.
///
/// All labels are bounded: by the protocol, by the library, or by the application's routes.
final class ServerMetrics: Sendable {
    /// The metrics of one route.
    final class Route: Sendable {
        /// The route's pattern.
        let label: String
        fileprivate let opened: any CounterHandler
        fileprivate let open: any RecorderHandler
        fileprivate let handshakeTime: any TimerHandler

        fileprivate init(_ pattern: String, _ factory: any MetricsFactory) {
            label = pattern
            let labels = [("route", pattern)]
            opened = factory.makeCounter(label: "websocket_connections_opened_total", dimensions: labels)
            open = factory.makeRecorder(
                label: "websocket_route_connections_open", dimensions: labels, aggregate: false)
            handshakeTime = factory.makeTimer(label: "websocket_handshake_duration_seconds", dimensions: labels)
        }
    }

    /// The metrics of messages and control frames.
    final class Traffic: Sendable {
        private struct Direction: Sendable {
            let messages: [any CounterHandler]
            let bytes: [any CounterHandler]

            init(_ direction: String, _ factory: any MetricsFactory) {
                func make(_ label: String) -> [any CounterHandler] {
                    TrafficCounts.Direction.opcodes.map {
                        factory.makeCounter(label: label, dimensions: [("direction", direction), ("opcode", $0)])
                    }
                }
                messages = make("websocket_messages_total")
                bytes = make("websocket_message_bytes_total")
            }

            func add(_ counts: TrafficCounts.Direction) {
                for (index, count) in counts.all.enumerated() {
                    if count.messages > 0 { messages[index].increment(by: Int64(count.messages)) }
                    if count.bytes > 0 { bytes[index].increment(by: Int64(count.bytes)) }
                }
            }
        }

        private let received: Direction
        private let sent: Direction
        private let roundTrip: any TimerHandler

        fileprivate init(_ factory: any MetricsFactory) {
            received = Direction("received", factory)
            sent = Direction("sent", factory)
            roundTrip = factory.makeTimer(label: "websocket_ping_round_trip_seconds", dimensions: [])
        }

        func add(_ received: TrafficCounts.Direction, _ sent: TrafficCounts.Direction) {
            self.received.add(received)
            self.sent.add(sent)
        }

        /// Records the time between a Ping and the Pong that answers it.
        func measured(roundTrip time: Duration) {
            roundTrip.recordNanoseconds(time.wholeNanoseconds)
        }
    }

    /// A counter whose labels' values are known only when it is incremented.
    private struct CounterKey: Hashable {
        let label: String
        let values: [String]
    }

    private struct MeterKey: Hashable {
        let loop: ObjectIdentifier
        let route: String
    }

    private struct State {
        /// The number of open WebSockets, in all and by route.
        var open = 0
        var openByRoute: [String: Int] = [:]
        /// The counters that have been incremented.
        var counters: [CounterKey: any CounterHandler] = [:]
        /// The meters, which keep their loops, so that another loop cannot get the identity of one that has ended.
        var meters: [MeterKey: TrafficMeter] = [:]
    }

    private let factory: any MetricsFactory
    private let open: any RecorderHandler
    private let acceptFailures: any CounterHandler
    private let traffic: Traffic
    private let routes: [String: Route]
    private let state = Lock(State())

    /// Creates the metrics of a server.
    ///
    /// - Parameters:
    ///   - factory: The factory; `nil` for that of swift-metrics.
    ///   - routes: The patterns of the routes.
    /// - Returns: `nil` if the factory discards everything.
    init?(_ factory: (any MetricsFactory)?, routes: [String]) {
        let factory = factory ?? MetricsSystem.factory
        if factory is NOOPMetricsHandler { return nil }
        self.factory = factory
        open = factory.makeRecorder(label: "websocket_connections_open", dimensions: [], aggregate: false)
        acceptFailures = factory.makeCounter(label: "websocket_accept_failures_total", dimensions: [])
        traffic = Traffic(factory)
        self.routes = Dictionary(
            routes.map { ($0, Route($0, factory)) }, uniquingKeysWith: { first, _ in first })
        open.record(0.0)
        for route in self.routes.values { route.open.record(0.0) }
    }

    // MARK: Connections

    /// Counts a WebSocket that opens, and has its messages counted from here on; on its loop.
    ///
    /// - Parameters:
    ///   - pattern: The pattern of its route.
    ///   - arrival: When the request's head had arrived.
    func opened(_ connection: Connection, _ pattern: String, arrival: MonotonicInstant) {
        guard let route = routes[pattern] else { return assertionFailure("\(pattern) is not a route of the server") }
        let duration = arrival.duration(to: connection.loop.driver.now())
        connection.traffic = meter(for: connection.loop, route).counts
        route.opened.increment(by: 1)
        route.handshakeTime.recordNanoseconds(duration.wholeNanoseconds)
        increment("websocket_handshakes_total", [("result", "accepted"), ("status", "1xx"), ("reason", "none")])
        changeOpen(route, by: 1)
    }

    /// Counts an open WebSocket that has ended; on its loop.
    func closed(_ connection: Connection, _ outcome: CloseOutcome) {
        guard let meter = connection.traffic?.pointee.owner as? TrafficMeter else { return }
        meter.handOver()
        changeOpen(meter.route, by: -1)
        increment(
            "websocket_connections_closed_total",
            [
                ("route", meter.route.label),
                ("initiator", ServerMetrics.label(outcome.initiator)),
                ("failure", ServerMetrics.label(outcome.failure, connection.coldState?.slowPeerLimit)),
                ("code", ServerMetrics.label(outcome.effectiveCode)),
                ("clean", "\(outcome.isClean)"),
            ])
    }

    private func meter(for loop: Loop, _ route: Route) -> TrafficMeter {
        state.withLock { state in
            let key = MeterKey(loop: ObjectIdentifier(loop), route: route.label)
            if let meter = state.meters[key] { return meter }
            let made = TrafficMeter(loop, route, traffic)
            state.meters[key] = made
            return made
        }
    }

    /// Sets the gauges of open connections under the lock, so that they never show an older value after a newer one.
    private func changeOpen(_ route: Route, by change: Int) {
        state.withLock { state in
            state.open += change
            state.openByRoute[route.label, default: 0] += change
            assert(state.openByRoute[route.label, default: 0] >= 0, "a connection closed that had not been counted")
            open.record(Double(state.open))
            route.open.record(Double(state.openByRoute[route.label, default: 0]))
        }
    }

    // MARK: Requests

    /// Counts a refused opening handshake.
    func refused(_ refusal: HandshakeRefusal) {
        increment(
            "websocket_handshakes_total",
            [
                ("result", "refused"), ("status", ServerMetrics.label(refusal.status)),
                ("reason", "\(refusal.reason)"),
            ])
    }

    /// Counts an ordinary HTTP request that is answered.
    func answered(_ method: HTTPRequest.Method, _ status: HTTPResponse.Status) {
        increment(
            "websocket_http_requests_total",
            [("method", ServerMetrics.label(method)), ("status", ServerMetrics.label(status))])
    }

    /// Counts a connection that could not be accepted.
    func acceptFailed() {
        acceptFailures.increment(by: 1)
    }

    private func increment(_ label: String, _ labels: [(String, String)]) {
        let key = CounterKey(label: label, values: labels.map(\.1))
        let counter = state.withLock { state -> any CounterHandler in
            if let counter = state.counters[key] { return counter }
            let made = factory.makeCounter(label: label, dimensions: labels)
            state.counters[key] = made
            return made
        }
        counter.increment(by: 1)
    }

    // MARK: Labels

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

    static func label(_ initiator: CloseOutcome.Initiator) -> String {
        switch initiator {
        case .local: "local"
        case .peer: "peer"
        case .both: "both"
        }
    }

    /// The label of a failure.
    ///
    /// - Parameter limit: The limit at which the connection was aborted because its peer reads too slowly.
    static func label(_ failure: ConnectionFailure?, _ limit: SlowPeerLimit?) -> String {
        switch failure {
        case nil: "none"
        case .protocolViolation: "protocol_violation"
        case .heartbeatTimedOut: "heartbeat_timeout"
        case .closeTimedOut: "close_timeout"
        case .handshakeTimedOut: "handshake_timeout"
        case .endOfStream: "end_of_stream"
        case .transport: "transport"
        case .aborted:
            switch limit {
            case nil: "aborted"
            case .stallTimeout: "stall_timeout"
            case .maximumOutbound: "maximum_outbound"
            }
        }
    }

    /// The label of a status: its class.
    static func label(_ status: HTTPResponse.Status) -> String {
        switch status.code {
        case 100...599: "\(status.code / 100)xx"
        default: "other"
        }
    }

    /// The label of a method: its name if it is a well-known one, and `_OTHER` otherwise, as in OpenTelemetry.
    static func label(_ method: HTTPRequest.Method) -> String {
        switch method {
        case .get, .head, .post, .put, .delete, .connect, .options, .trace, .patch: method.rawValue
        default: "_OTHER"
        }
    }
}
