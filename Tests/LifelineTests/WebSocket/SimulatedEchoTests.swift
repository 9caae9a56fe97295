import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

@Suite("Echo over the simulated network")
struct SimulatedEchoTests {
    static let handlers = ["/task", "/place", "/loop"]
    static let handlersAndPlaces: [(path: String, place: Simulation.Place)] = handlers.flatMap { path in
        Simulation.Place.allCases.map { (path, $0) }
    }
    static let messages: [WebSocketMessage] = [
        .text(""), .text("hello"), .text("grüß dich 👋"), .binary([]), .binary([0, 255]),
        .binary(Array(repeating: 7, count: 125)), .text(String(repeating: "ä", count: 63)),
        .binary(Array(repeating: 9, count: 300)), .binary(Array(repeating: 8, count: 70_000)), .text("last"),
    ]

    static func simulation(seed: UInt64 = 1) -> Simulation {
        Simulation(seed: seed) { routes in
            routes.route("/task", handler: echo)
            routes.route("/place", handler: echoInPlace)
            routes.routeOnLoop("/loop") { OnLoopEcho() }
        }
    }

    /// Sends messages at once, and receives as many.
    static func exchange(
        _ messages: [WebSocketMessage], _ simulation: Simulation, _ path: String, _ place: Simulation.Place = .onLoop
    ) throws -> [WebSocketMessage] {
        try simulation.value(place) {
            let socket = try await simulation.connect(path)
            for message in messages { try await socket.send(message) }
            var answers: [WebSocketMessage] = []
            while answers.count < messages.count, let answer = try await socket.receiveCopy() { answers.append(answer) }
            #expect(try await socket.close().isClean)
            return answers
        }
    }

    @Test("Every message comes back in order", arguments: handlers, Simulation.Place.allCases)
    func everyMessageComesBackInOrder(path: String, place: Simulation.Place) throws {
        let simulation = Self.simulation()
        #expect(try Self.exchange(Self.messages, simulation, path, place) == Self.messages)
        simulation.expectNothingLeft()
    }

    @Test(
        "Messages come back whole for every read size", arguments: handlers,
        [1, 2, 3, 5, 6, 7, 13, 126, 127, 1000, 4096, 65_535])
    func everyReadSizeGivesTheSameMessages(path: String, size: Int) throws {
        let simulation = Self.simulation()
        simulation.link.readSize = .atMost(size)
        let messages = Self.messages.filter { $0.buffer.readableBytes <= 100 * size }
        #expect(try Self.exchange(messages, simulation, path) == messages)
        simulation.expectNothingLeft()
    }

    @Test("A message of one mebibyte comes back", arguments: handlersAndPlaces, [4096, 65_535, 1 << 20])
    func aMebibyteComesBack(caller: (path: String, place: Simulation.Place), size: Int) throws {
        let message = WebSocketMessage.binary(SplitMix64(seed: 3).prefix(1 << 20))
        let simulation = Self.simulation()
        simulation.link = SimulatedLink(
            latency: .milliseconds(1), socketBuffer: 2 << 20, readSize: .atMost(size))
        #expect(try Self.exchange([message], simulation, caller.path, caller.place) == [message])
        simulation.expectNothingLeft()
    }

    @Test("The same seed gives the same events at the same times")
    func aSeedIsReproducible() throws {
        func run(_ seed: UInt64) throws -> [String] {
            let simulation = Simulation(seed: seed, observes: true) { $0.route(handler: echo) }
            simulation.link = SimulatedLink(latency: .milliseconds(7), socketBuffer: 999, readSize: .random(200))
            _ = try Self.exchange(Self.messages, simulation, "/")
            let events = simulation.serverEvents.events + simulation.clientEvents.events
            // Connections are numbered within the process, in which other tests open connections at the same time.
            let connections = Set(events.map(\.connectionID)).sorted()
            return events.map { event in
                let number = connections.firstIndex(of: event.connectionID) ?? -1
                return "\(event.instant.nanoseconds) \(number) \(event.kind.word)"
            }
        }
        #expect(try run(5) == run(5))
    }

    @Test("Messages come back whole for every latency, socket buffer and read size", arguments: handlers, 1...20)
    func everyNetworkGivesTheSameMessages(path: String, seed: Int) throws {
        let simulation = Self.simulation(seed: UInt64(seed))
        simulation.link.latency = .milliseconds(seed % 4 * 10)
        simulation.link.socketBuffer = 1000 * seed
        simulation.link.readSize = .random(seed * 100)
        let place = seed.isMultiple(of: 2) ? Simulation.Place.onLoop : .elsewhere
        let messages = Array(Self.messages.shuffled(using: &simulation.network.random).prefix(6))
        #expect(try Self.exchange(messages, simulation, path, place) == messages)
        simulation.expectNothingLeft()
    }

    @Test(
        "§5.4 a fragmented message with control frames between its fragments is received as one message",
        arguments: handlers, [1, 2, 9, 1000])
    func fragmentsArriveAsOneMessage(path: String, size: Int) throws {
        let simulation = Self.simulation()
        simulation.link.readSize = .atMost(size)
        let client = simulation.openRawClient(path)
        client.send(
            .text("one ").unfinished, .ping("between"), .continuation("two ").unfinished,
            .continuation("").unfinished, .continuation("three"), .text("next"))
        simulation.run()
        let frames = try client.takeFrames()
        #expect(frames.filter { $0.opcode == 1 }.map(\.text) == ["one two three", "next"])
        #expect(frames.filter { $0.opcode == 0xA }.map(\.text) == ["between"])
    }

    @Test("Each of many connections receives its own messages", arguments: handlers)
    func connectionsKeepTheirMessagesApart(path: String) throws {
        let simulation = Self.simulation()
        simulation.link = SimulatedLink(latency: .milliseconds(3), socketBuffer: 1000, readSize: .random(100))
        let answers = (0..<50).map { number in
            simulation.start(number.isMultiple(of: 2) ? .onLoop : .elsewhere) {
                let socket = try await simulation.connect(path)
                for round in 0..<10 {
                    try await socket.send("\(number) \(round)")
                    guard try await socket.receiveCopy() == .text("\(number) \(round)") else { return false }
                }
                return try await socket.close().isClean
            }
        }
        simulation.advance(by: .seconds(10))
        for answer in answers { #expect(try answer.value) }
        simulation.expectNothingLeft()
    }
}

extension SplitMix64 {
    /// The first bytes that the generator gives.
    func prefix(_ count: Int) -> [UInt8] {
        var generator = self
        return generator.bytes(count)
    }
}
