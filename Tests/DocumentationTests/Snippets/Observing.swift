import Lifeline
import LifelineTrace
import Logging
import Metrics

// ObserveConnections.md, LifelineTrace.md, docs/metrics.md, docs/page.md, docs/recording.md

func logs(_ server: inout WebSocketServer, _ configuration: inout WebSocketClientConfiguration) {
    server.configuration.logger = Logger(label: "chat")
    configuration.logger = Logger(label: "chat.client")
}

func measure(_ server: inout WebSocketServer, with factory: any MetricsFactory) {
    server.configuration.metrics = factory
}

struct RoundTrips: LifecycleObserver {
    let payloadLimit = 0

    func observe(_ event: LifecycleEvent) {
        if case .roundTrip(let time) = event.kind {
            Timer(label: "websocket_round_trip").record(duration: time)
        }
    }
}

func observe(_ server: inout WebSocketServer) {
    server.configuration.observers.append(RoundTrips())
}

func recordAndShow(_ base: WebSocketServer) async throws {
    var server = base
    let recorder = try Recorder(path: "served.jsonl")
    server.configuration.observers.append(recorder)
    ConnectionPage().mount(on: &server)
    try await server.run()
    try await recorder.finish()
}

func record(_ base: WebSocketServer) async throws {
    var server = base
    let recorder = try Recorder(path: "served.jsonl")
    server.configuration.observers.append(recorder)
    try await server.run()
    try await recorder.finish()
}

func showAPage() {
    var server = WebSocketServer(address: .hostname("127.0.0.1", port: 8080))
    ConnectionPage().mount(on: &server)
}

func recordOthers() throws {
    let recorder = try Recorder(path: "seen.jsonl")
    let event = TraceEvent(time: 0, connection: 7, observer: .server, kind: .connected(peer: "192.0.2.1:50000"))
    recorder.record(event, at: MonotonicInstant(nanoseconds: 1_000_000))
}
