import Logging
import Testing

@testable import Lifeline

/// How `automatic` finds an engine, and who learns of it.
@Suite("The choice of an engine") struct EngineChoiceTests {
    private struct Denied: Error, CustomStringConvertible {
        var description: String { "Operation not permitted" }
    }

    private static func denied(_ name: String, isOften: Bool) -> EngineFactory.Candidate {
        EngineFactory.Candidate(name: name, isOftenDenied: isOften) { throw Denied() }
    }

    @Test("The first engine that starts is taken, and nothing is logged")
    func theFirst() throws {
        let log = CollectingLog()
        let first = NIOEngine.shared
        let candidates = [
            EngineFactory.Candidate(name: "first", isOftenDenied: true) { first },
            Self.denied("second", isOften: false),
        ]
        let engine = try #require(EngineFactory.firstThatStarts(candidates, log.logger))
        #expect(engine === first && log.entries.isEmpty)
    }

    @Test("Each engine that does not start is logged with its error and with what to do")
    func whatDoesNotStart() {
        let log = CollectingLog()
        let candidates = [Self.denied("io_uring", isOften: true), Self.denied("epoll", isOften: false)]
        #expect(EngineFactory.firstThatStarts(candidates, log.logger) == nil)
        #expect(log.entries.values.map(\.level) == [.debug, .warning])
        for (entry, name) in zip(log.entries.values, ["io_uring", "epoll"]) {
            #expect(entry.message.contains("the engine \(name) cannot start"))
            #expect(entry.message.contains("LIFELINE_ENGINE") && entry.message.contains("ulimit -n"))
            #expect(entry.metadata["error"] == "Operation not permitted")
        }
    }

    @Test("LIFELINE_ENGINE may have the name of each engine", arguments: WebSocketEngine.all)
    func aNamedEngine(engine: WebSocketEngine) throws {
        #expect(try EngineFactory.choice(named: engine.description) == engine)
    }

    @Test("The error of an invalid LIFELINE_ENGINE lists all names")
    func anInvalidName() throws {
        let error = try #require(throws: WebSocketError.self) { try EngineFactory.choice(named: "kqueue") }
        #expect(error.code == .invalidConfiguration)
        #expect(
            error.message == "the environment variable LIFELINE_ENGINE is \"kqueue\"; "
                + "it must be automatic, nio, epoll or io_uring")
    }

    @Test("A running server says which engine it has", arguments: [WebSocketEngine.automatic, .nio])
    func aRunningServer(choice: WebSocketEngine) async throws {
        let log = CollectingLog()
        var server = WebSocketServer(address: .hostname("127.0.0.1", port: 0))
        server.configuration.engine = choice
        server.configuration.logger = log.logger
        try await server.withRunningServer { address, engine in
            #expect(address.host == "127.0.0.1" && address.port != 0 && address.path == nil)
            #expect(choice == .automatic ? engine != "automatic" : engine == "nio")
            #expect(WebSocketEngine(name: engine) != nil)
            let listening = log.entries.values.first { $0.message == "listening" }
            #expect(listening?.metadata["engine"] == "\(engine)")
        }
    }

    @Test("An address has a host and a port, or a path")
    func addresses() {
        let host = ServerAddress.hostname("::1", port: 80)
        #expect(host.host == "::1" && host.port == 80 && host.path == nil)
        let socket = ServerAddress.unixDomainSocket(path: "/tmp/socket")
        #expect(socket.path == "/tmp/socket" && socket.host == nil && socket.port == nil)
    }
}
