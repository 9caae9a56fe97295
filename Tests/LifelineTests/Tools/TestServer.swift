import Logging
import Testing

@testable import Lifeline

extension WebSocketServer {
    /// A server for a test: any port of 127.0.0.1, and no log.
    static func forTests(
        at address: ServerAddress = .hostname("127.0.0.1", port: 0),
        configure: (inout WebSocketServerConfiguration) -> Void = { _ in }
    ) -> WebSocketServer {
        var configuration = WebSocketServerConfiguration()
        configuration.endpoint.handshakeTimeout = .seconds(60)
        configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        configure(&configuration)
        return WebSocketServer(address: address, configuration: configuration)
    }

    /// Serves while `body` runs, and checks that a connection that was there all the time has noticed nothing.
    func withBystander(_ body: (ServerAddress) async throws -> Void) async throws {
        var server = self
        server.route("/bystander", handler: echo)
        try await server.withServer { address in
            try await WebSocketClient.connect(to: "ws://\(address)/bystander") { bystander in
                try await bystander.send("before")
                #expect(try await bystander.receive { $0.text } == "before")
                try await body(address)
                try await bystander.send("after")
                #expect(try await bystander.receive { $0.text } == "after")
                try await expectAlive(bystander)
                #expect(await bystander.outcome == nil)
            }
        }
    }
}

/// Checks that a connection's peer answers.
nonisolated(nonsending) func expectAlive(
    _ socket: WebSocket, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let time = try await socket.ping()
    #expect(time > .zero, sourceLocation: sourceLocation)
}

extension Collected {
    /// Waits until there are as many values, for as long as ``eventually(_:sourceLocation:)`` does.
    ///
    /// - Throws: Where there are fewer by then.
    func values(_ count: Int) async throws -> [Value] {
        try await eventually { self.count >= count }
        let values = values
        try #require(values.count >= count)
        return values
    }
}

/// Waits until something is so, for at most a minute, which nothing takes but on a busy machine or under a sanitizer.
func eventually(_ isSo: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let clock = ContinuousClock()
    let start = clock.now
    while try await !isSo() {
        guard start.duration(to: clock.now) < .seconds(60) else {
            Issue.record("it has not come about in a minute", sourceLocation: sourceLocation)
            return
        }
        try await clock.sleep(for: .milliseconds(2))
    }
}
