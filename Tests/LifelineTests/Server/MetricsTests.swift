import HTTPTypes
import LifelineCore
import LifelineTestSupport
import LifelineTesting
import Metrics
import MetricsTestKit
import NIOCore
import Testing

@testable import Lifeline

/// What a server records with swift-metrics; see docs/metrics.md.
@Suite("Metrics") struct MetricsTests {
    /// A server on the simulated network and its metrics.
    struct Measured {
        let simulation: Simulation
        let metrics: TestMetrics
        /// Lets the decisions about requests to `/decided` go on.
        let decision = Gate()
        /// The sockets of `/idle`, whose handler does nothing.
        let idle = Collected<WebSocket>()

        init(configure: (inout WebSocketServerConfiguration) -> Void = { _ in }) {
            let metrics = TestMetrics()
            let (decision, idle, never) = (decision, idle, Gate())
            self.metrics = metrics
            simulation = Simulation { configuration in
                configuration.metrics = metrics
                configure(&configuration)
            } routes: { routes in
                routes.route("/echo", handler: echo)
                routes.routeOnLoop("/loop") { OnLoopEcho() }
                routes.route("/rooms/{room}", handler: echo)
                routes.route("/done") { _ in }
                routes.route("/idle") { socket in
                    idle.append(socket)
                    try await never.wait()
                }
                routes.route(
                    "/decided",
                    upgrade: { _ in
                        try await decision.wait()
                        return .accept(())
                    }, handler: { socket, _ in try await echo(socket) })
                routes.route(
                    "/members", upgrade: { _ -> UpgradeAcceptance<Void> in throw HandshakeRefusal(.unauthorized) },
                    handler: { socket, _ in try await echo(socket) })
                routes.respond(to: .get, .post, at: "/health") { _ in .text("ok") }
                routes.respond(to: .get, at: "/stream") { _ in
                    .stream { writer in try await writer.write("part") }
                }
                routes.respond(to: .post, at: "/upload") { request in
                    HTTPServerResponse(body: try await request.body.collect(upTo: 1000))
                }
                routes.respond(to: .get, at: "/broken") { _ in throw UpgradeTests.Unexpected() }
            }
        }

        /// The sum of the counters with some labels.
        func count(_ label: String, _ labels: (String, String)...) -> Int64 {
            metrics.counterTotal(label: label, dimensions: labels)
        }

        /// The values that a gauge has had.
        func gauge(_ label: String, _ labels: (String, String)...) -> [Double] {
            (try? metrics.expectGauge(label, labels).values) ?? []
        }

        func openConnections(_ route: String? = nil) -> Double? {
            route.map { gauge("websocket_route_connections_open", ("route", $0)).last }
                ?? gauge("websocket_connections_open").last
        }

        /// The labels of the counters of closes that have been incremented.
        var closes: [[String: String]] {
            metrics.counters(label: "websocket_connections_closed_total").filter { $0.totalValue > 0 }
                .map { Dictionary(uniqueKeysWithValues: $0.dimensions) }
        }

        /// Checks that one connection has been closed, with some labels.
        func expectClose(
            _ route: String, _ initiator: String, failure: String = "none", code: String,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let labels = [
                "route": route, "initiator": initiator, "failure": failure, "code": code,
                "clean": "\(failure == "none")",
            ]
            #expect(closes == [labels], sourceLocation: sourceLocation)
            #expect(count("websocket_connections_closed_total") == 1, sourceLocation: sourceLocation)
            #expect(openConnections() == 0, sourceLocation: sourceLocation)
            #expect(openConnections(route) == 0, sourceLocation: sourceLocation)
        }

        /// Sends an ordinary request on a connection of its own.
        func request(_ method: String, _ path: String) {
            let client = simulation.rawClient()
            client.send("\(method) \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            simulation.run()
            client.end()
            simulation.run()
        }
    }

    // MARK: Handshakes

    @Test("Handshakes are counted by result, class of status, and reason")
    func handshakes() {
        let server = Measured()
        func refused(_ status: String, _ reason: String) -> Int64 {
            server.count(
                "websocket_handshakes_total", ("result", "refused"), ("status", status), ("reason", reason))
        }
        _ = server.simulation.openRawClient("/echo")
        _ = server.simulation.openRawClient("/rooms/1")
        var requests = [HandshakeText.request("/nowhere"), .request("/members"), .request("/echo")]
        requests[2].fields.append("Origin: https://evil.example.com")
        for request in requests { server.simulation.rawClient().send(request) }
        server.simulation.rawClient().send("GET /echo\r\n\r\n")
        server.simulation.run()
        #expect(
            server.count(
                "websocket_handshakes_total", ("result", "accepted"), ("status", "1xx"), ("reason", "none")) == 2)
        #expect(refused("4xx", "not found") == 1)
        #expect(refused("4xx", "application") == 1)
        #expect(refused("4xx", "origin") == 1)
        #expect(refused("4xx", "malformed request") == 1, "the head cannot be read, so it counts as a handshake")
        #expect(server.count("websocket_handshakes_total") == 6)
        #expect(server.count("websocket_http_requests_total") == 0)
        #expect(server.count("websocket_connections_opened_total", ("route", "/echo")) == 1)
        #expect(server.count("websocket_connections_opened_total", ("route", "/rooms/{room}")) == 1)
    }

    @Test("A handshake that is not decided in time is refused with 503")
    func lateHandshakes() {
        let server = Measured()
        server.simulation.rawClient().send(HandshakeText.request("/decided"))
        server.simulation.advance(by: .seconds(60))
        #expect(
            server.count(
                "websocket_handshakes_total", ("result", "refused"), ("status", "5xx"), ("reason", "unavailable")) == 1)
        #expect(server.count("websocket_http_requests_total") == 0)
        #expect(server.openConnections() == 0)
        server.decision.open()
    }

    @Test("A full server refuses with 503")
    func fullServer() {
        let server = Measured { $0.maximumConnections = 1 }
        _ = server.simulation.openRawClient("/echo")
        server.simulation.rawClient().send(HandshakeText.request("/echo"))
        server.request("GET", "/health")
        #expect(
            server.count(
                "websocket_handshakes_total", ("result", "refused"), ("status", "5xx"), ("reason", "unavailable")) == 1)
        #expect(server.count("websocket_http_requests_total", ("method", "GET"), ("status", "5xx")) == 1)
        #expect(server.openConnections() == 1)
    }

    @Test("The duration of a handshake is the time from the head's arrival to the 101")
    func handshakeDuration() throws {
        let server = Measured()
        let client = server.simulation.rawClient()
        client.send(HandshakeText.request("/decided"))
        server.simulation.advance(by: .milliseconds(50))
        server.decision.open()
        server.simulation.run()
        _ = server.simulation.openRawClient("/echo")
        let timers = server.metrics
        let decided = try timers.expectTimer("websocket_handshake_duration_seconds", [("route", "/decided")])
        #expect(decided.values.count == 1)
        #expect((49_000_000...51_000_000).contains(decided.values.first ?? 0), "\(decided.values)")
        let echo = try timers.expectTimer("websocket_handshake_duration_seconds", [("route", "/echo")])
        #expect(echo.values.count == 1)
        #expect((0..<1_000_000).contains(echo.values.first ?? -1), "\(echo.values)")
    }

    // MARK: Open connections

    @Test("The gauges of open connections are exact through closes, aborts, refusals and HTTP")
    func openConnections() throws {
        let server = Measured()
        #expect(server.openConnections() == 0)
        #expect(server.openConnections("/rooms/{room}") == 0)
        let clients = ["/echo", "/echo", "/rooms/1", "/rooms/2", "/loop"].map(server.simulation.openRawClient)
        #expect(server.openConnections() == 5)
        #expect(server.openConnections("/echo") == 2)
        #expect(server.openConnections("/rooms/{room}") == 2)
        #expect(server.openConnections("/loop") == 1)

        server.request("GET", "/health")
        server.request("GET", "/stream")
        server.request("GET", "/echo")
        server.simulation.rawClient().send(HandshakeText.request("/members"))
        server.simulation.rawClient().transport.reset()
        server.simulation.run()
        #expect(server.openConnections() == 5, "neither requests nor refusals count")

        clients[0].send(.close(1000))
        clients[1].transport.reset()
        clients[2].end()
        server.simulation.run()
        #expect(server.openConnections() == 2)
        #expect(server.openConnections("/echo") == 0)
        #expect(server.openConnections("/rooms/{room}") == 1)
        _ = server.simulation.shutDown()
        server.simulation.advance(by: .seconds(60))
        #expect(server.openConnections() == 0)
        for route in ["/echo", "/rooms/{room}", "/loop"] {
            let values = server.gauge("websocket_route_connections_open", ("route", route))
            #expect(values.last == 0 && values.allSatisfy { $0 >= 0 }, "\(route): \(values)")
        }
        #expect(server.gauge("websocket_connections_open").allSatisfy { (0...5).contains($0) })
        #expect(server.count("websocket_connections_opened_total") == 5)
        #expect(server.count("websocket_connections_closed_total") == 5)
        #expect(server.metrics.recorders.allSatisfy { !$0.aggregate })
    }

    // MARK: Messages

    @Test("Messages and payload bytes are counted by direction and opcode", arguments: ["/echo", "/loop"])
    func messages(path: String) throws {
        let server = Measured()
        let client = server.simulation.openRawClient(path)
        client.send(.text("hello"), .client(0x1, isFinal: false, Array("frag".utf8)), .continuation("ment"))
        client.send(
            .binary([1, 2, 3]), .binary([UInt8](repeating: 7, count: 40_000)), .ping("ping!"), .pong("unasked"))
        server.simulation.run()
        client.send(.close(1000, "bye"))
        server.simulation.run()
        func expect(_ direction: String, _ opcode: String, _ messages: Int64, _ bytes: Int64) {
            let labels = [("direction", direction), ("opcode", opcode)]
            #expect(
                server.metrics.counterTotal(label: "websocket_messages_total", dimensions: labels) == messages,
                "\(labels)")
            #expect(
                server.metrics.counterTotal(label: "websocket_message_bytes_total", dimensions: labels) == bytes,
                "\(labels)")
        }
        expect("received", "text", 2, 13)
        expect("received", "binary", 2, 40_003)
        expect("received", "ping", 1, 5)
        expect("received", "pong", 1, 7)
        expect("received", "close", 1, 5)
        expect("sent", "text", 2, 13)
        expect("sent", "binary", 2, 40_003)
        expect("sent", "ping", 0, 0)
        expect("sent", "pong", 1, 5)
        expect("sent", "close", 1, 2)
    }

    @Test("Messages are counted as the application sees them: without compression, and fragmented ones once")
    func compressedAndFragmentedMessages() throws {
        let server = Measured()
        server.simulation.offersCompression = true
        let prepared = PreparedMessage(.text(String(repeating: "prepared ", count: 500)))
        try server.simulation.value {
            let socket = try await server.simulation.connect("/idle")
            let text = String(repeating: "compressible ", count: 1000)
            try await socket.send(text)
            let served = try #require(server.idle.values.first)
            try await served.send(text)
            _ = served.enqueue(prepared)
            let parts = AsyncStream<ByteBuffer> { continuation in
                for _ in 0..<3 { continuation.yield(ByteBuffer(repeating: 1, count: 1000)) }
                continuation.finish()
            }
            try await served.send(fragments: parts)
            for _ in 0..<3 { _ = try await socket.receiveCopy() }
            try await socket.close()
        }
        func count(_ label: String, _ direction: String, _ opcode: String) -> Int64 {
            server.count(label, ("direction", direction), ("opcode", opcode))
        }
        #expect(count("websocket_messages_total", "received", "text") == 1)
        #expect(count("websocket_message_bytes_total", "received", "text") == 13_000)
        #expect(count("websocket_messages_total", "sent", "text") == 2)
        #expect(count("websocket_message_bytes_total", "sent", "text") == 13_000 + 4500)
        #expect(count("websocket_messages_total", "sent", "binary") == 1)
        #expect(count("websocket_message_bytes_total", "sent", "binary") == 3000)
    }

    @Test("Messages are handed to the metrics within a second, together")
    func handOver() throws {
        let server = Measured { $0.endpoint.heartbeat = .disabled }
        let clients = (0..<3).map { _ in server.simulation.openRawClient("/echo") }
        for client in clients { for _ in 0..<10 { client.send(.text("hello")) } }
        server.simulation.run()
        let counter = try server.metrics.expectCounter(
            "websocket_messages_total", [("direction", "received"), ("opcode", "text")])
        #expect(counter.values == [], "not one by one")
        server.simulation.advance(by: .seconds(1))
        #expect(counter.values == [30], "those of all connections at once")
        server.simulation.advance(by: .seconds(60))
        #expect(counter.values == [30])
        clients[0].send(.text("hello"))
        server.simulation.advance(by: .milliseconds(500))
        clients[0].send(.text("hello"), .close(1000))
        server.simulation.run()
        #expect(counter.values == [30, 2], "when a connection ends")
        clients[1].send(.text("hello"))
        server.simulation.advance(by: .seconds(2))
        #expect(counter.values == [30, 2, 1])
        for client in clients { client.end() }
        server.simulation.expectNothingLeft()
    }

    @Test("The round trip of each Ping that is answered is recorded")
    func roundTrips() throws {
        let server = Measured { $0.endpoint.heartbeat.interval = .seconds(10) }
        server.simulation.link.latency = .milliseconds(20)
        let socket = try server.simulation.open("/echo")
        server.simulation.advance(by: .seconds(35))
        let timer = try server.metrics.expectTimer("websocket_ping_round_trip_seconds")
        #expect(timer.values.count >= 3)
        #expect(timer.values.allSatisfy { $0 == 40_000_000 }, "\(timer.values)")
        let pings = server.count("websocket_messages_total", ("direction", "sent"), ("opcode", "ping"))
        #expect(pings == Int64(timer.values.count))
        _ = try server.simulation.value { try await socket.close() }
    }

    // MARK: Closes

    @Test("A close by the peer", arguments: [(1000, "1000"), (1001, "1001"), (3999, "3xxx"), (4000, "4xxx")])
    func closedByThePeer(code: UInt16, label: String) {
        let server = Measured()
        let client = server.simulation.openRawClient("/rooms/7")
        client.send(.close(code))
        server.simulation.run()
        server.expectClose("/rooms/{room}", "peer", code: label)
    }

    @Test("A Close frame without a code is 1005")
    func closedWithoutCode() {
        let server = Measured()
        server.simulation.openRawClient("/echo").send(.emptyClose)
        server.simulation.run()
        server.expectClose("/echo", "peer", code: "1005")
    }

    @Test("A close by the handler, and one that crosses the peer's")
    func closedByTheHandler() {
        for (code, initiator) in [(1000, "local"), (4000, "both")] as [(UInt16, String)] {
            let server = Measured()
            let client = server.simulation.openRawClient("/done")
            client.send(.close(code))
            server.simulation.run()
            server.expectClose("/done", initiator, code: "1000")
        }
    }

    @Test("Our own 1009 is a violation of the protocol or a limit, closed by this side")
    func tooBig() {
        let server = Measured { $0.endpoint.maximumMessageSize = 100 }
        let client = server.simulation.openRawClient("/echo")
        client.send(.text(String(repeating: "a", count: 101)))
        server.simulation.run()
        server.expectClose("/echo", "local", failure: "protocol_violation", code: "1009")
    }

    @Test("The peer's 1009 is clean, and closed by the peer")
    func tooBigForThePeer() {
        let server = Measured()
        server.simulation.openRawClient("/echo").send(.close(1009))
        server.simulation.run()
        server.expectClose("/echo", "peer", code: "1009")
    }

    @Test("A reset, and an end of TCP without a Close frame")
    func lostConnections() {
        let reset = Measured()
        reset.simulation.openRawClient("/loop").transport.reset()
        reset.simulation.run()
        reset.expectClose("/loop", "peer", failure: "transport", code: "1006")
        let ended = Measured()
        ended.simulation.openRawClient("/loop").end()
        ended.simulation.run()
        ended.expectClose("/loop", "peer", failure: "end_of_stream", code: "1006")
    }

    @Test("A peer that does not answer Pings")
    func heartbeatTimeout() {
        let server = Measured()
        _ = server.simulation.openRawClient("/echo")
        server.simulation.advance(by: .seconds(60))
        server.expectClose("/echo", "local", failure: "heartbeat_timeout", code: "1011")
    }

    @Test("A peer that does not answer the Close frame")
    func closeTimeout() {
        let server = Measured()
        _ = server.simulation.openRawClient("/done")
        server.simulation.advance(by: .seconds(60))
        server.expectClose("/done", "local", failure: "close_timeout", code: "1000")
    }

    /// A server whose peer does not read.
    static func stalled() throws -> (server: Measured, client: RawPeer, socket: WebSocket) {
        let server = Measured { $0.buffers = OutboundPressureTests.limits }
        server.simulation.link.socketBuffer = 4000
        let client = server.simulation.openRawClient("/idle")
        client.transport.setReading(false)
        return (server, client, try #require(server.idle.values.first))
    }

    @Test("A peer that reads nothing for stallTimeout")
    func stallTimeout() throws {
        let (server, client, socket) = try Self.stalled()
        _ = server.simulation.start {
            for _ in 0..<100 { try await socket.send([UInt8](repeating: 1, count: 1000)) }
        }
        for _ in 0..<14 {
            server.simulation.advance(by: .seconds(5))
            if server.openConnections() == 1 { client.send(.ping("still here")) }
        }
        server.expectClose("/idle", "local", failure: "stall_timeout", code: "1006")
    }

    @Test("A peer for which more than maximumOutbound bytes wait")
    func maximumOutbound() throws {
        let (server, client, socket) = try Self.stalled()
        let message = PreparedMessage(.binary(ByteBuffer(repeating: 1, count: 1000)))
        _ = server.simulation.start { for _ in 0..<200 { _ = socket.enqueue(message) } }
        server.simulation.run()
        server.expectClose("/idle", "local", failure: "maximum_outbound", code: "1006")
        _ = client
    }

    @Test("A connection that this side aborts")
    func aborted() throws {
        let (server, client, socket) = try Self.stalled()
        _ = server.simulation.start { socket.connection.abort("test") }
        server.simulation.run()
        server.expectClose("/idle", "local", failure: "aborted", code: "1006")
        _ = client
    }

    // MARK: HTTP

    @Test("Ordinary requests are counted by method and class of status")
    func requests() {
        let server = Measured()
        server.request("GET", "/health")
        server.request("GET", "/health")
        server.request("POST", "/health")
        server.request("GET", "/stream")
        server.request("GET", "/echo")
        server.request("DELETE", "/health")
        server.request("BREW", "/pot")
        server.request("GET", "/broken")
        func count(_ method: String, _ status: String) -> Int64 {
            server.count("websocket_http_requests_total", ("method", method), ("status", status))
        }
        #expect(count("GET", "2xx") == 3)
        #expect(count("POST", "2xx") == 1)
        #expect(count("GET", "4xx") == 1, "a WebSocket's path without an upgrade")
        #expect(count("DELETE", "4xx") == 1)
        #expect(count("_OTHER", "4xx") == 1)
        #expect(count("GET", "5xx") == 1)
        #expect(server.count("websocket_http_requests_total") == 8)
        #expect(server.count("websocket_handshakes_total") == 0)
        #expect(server.gauge("websocket_connections_open") == [0])
    }

    @Test(
        "A body that is malformed or does not arrive counts as a request that was refused",
        arguments: ["not a chunk\r\n", "5\r\nhel"])
    func badBodies(body: String) {
        let server = Measured()
        let client = server.simulation.rawClient()
        client.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)")
        server.simulation.advance(by: .seconds(120))
        #expect(server.count("websocket_http_requests_total", ("method", "POST"), ("status", "4xx")) == 1)
        #expect(server.count("websocket_http_requests_total") == 1)
        #expect(server.count("websocket_handshakes_total") == 0)
    }

    // MARK: Everything else

    @Test("Each accept failure is counted, however rarely it is logged")
    func acceptFailures() {
        let server = Measured()
        for _ in 0..<3 { server.simulation.runtime.acceptFailed("too many open files") }
        #expect(server.count("websocket_accept_failures_total") == 3)
    }

    @Test("Nothing is measured if the factory discards everything")
    func noFactory() throws {
        #expect(ServerMetrics(NOOPMetricsHandler.instance, routes: ["/"]) == nil)
        #expect(ServerMetrics(nil, routes: ["/"]) == nil, "nobody bootstraps swift-metrics in this process")
        #expect(withMetricsFactory(TestMetrics()) { ServerMetrics(nil, routes: ["/"]) } != nil)
        #expect(ServerMetrics(TestMetrics(), routes: ["/"]) != nil)
        let simulation = Simulation { $0.route(handler: echo) }
        _ = simulation.openRawClient()
        #expect(try #require(simulation.livingConnections.first).traffic == nil)
    }

    @Test("Labels are bounded")
    func labels() {
        #expect([1000, 1006, 1015].map { ServerMetrics.label(CloseCode(rawValue: $0)) } == ["1000", "1006", "1015"])
        #expect(
            [3000, 3999, 4000, 4999].map { ServerMetrics.label(CloseCode(rawValue: $0)) }
                == ["3xxx", "3xxx", "4xxx", "4xxx"])
        let others: [UInt16] = [0, 999, 1016, 2999, 5000, 65_535]
        #expect(others.allSatisfy { ServerMetrics.label(CloseCode(rawValue: $0)) == "other" })
        #expect(
            [101, 200, 599, 600].map { ServerMetrics.label(HTTPResponse.Status(code: $0)) }
                == ["1xx", "2xx", "5xx", "other"])
        #expect(ServerMetrics.label(HTTPRequest.Method("get")!) == "_OTHER")
        #expect(ServerMetrics.label(HTTPRequest.Method.patch) == "PATCH")
        #expect(ServerMetrics.label(.handshakeTimedOut(after: .seconds(1)), nil) == "handshake_timeout")
        #expect(ServerMetrics.label(.transport("lost"), .stallTimeout) == "transport")
    }
}
