import LifelineCore
import LifelineTesting
import NIOCore
import Testing

@testable import Lifeline

/// Each step of a connection's life is told once, in order.
@Suite("Events for observers") struct ObservingTests {
    @Test("Each step of a connection is reported once, in order")
    func everyStepIsReported() throws {
        let simulation = Simulation(observes: true) { $0.route(handler: echo) }
        try simulation.value {
            let socket = try await simulation.connect()
            try await socket.send("hello")
            _ = try await socket.receiveCopy()
            _ = try await socket.ping()
            try await socket.close(code: .normalClosure, reason: "bye")
        }
        let ping = try #require(simulation.clientEvents.words.first { $0.hasPrefix("→ ping") }).dropFirst(7)
        #expect(
            simulation.clientEvents.words == [
                "connecting", "resolved", "connected", "request sent", "101 received", "→ text hello", "message sent",
                "← text hello",
                "message received", "→ ping \(ping)",
                "← pong \(ping)", "round trip", "→ close \u{3}\u{FFFD}bye", "← close \u{3}\u{FFFD}", "ended cleanly",
                "input ended", "output ended", "TCP ended",
            ])
        #expect(
            simulation.serverEvents.words == [
                "connected", "request received", "101 sent", "← text hello", "message received",
                "→ text hello", "message sent", "← ping \(ping)",
                "→ pong \(ping)", "← close \u{3}\u{FFFD}bye", "→ close \u{3}\u{FFFD}", "ended cleanly", "output ended",
                "input ended", "TCP ended",
            ])
    }

    @Test(
        "The frames that one side reports as sent the other reports as received", arguments: [1, 10, 100, 10_000],
        SimulatedEchoTests.handlers)
    func bothSidesSeeTheSameFrames(size: Int, path: String) throws {
        let simulation = Simulation(observes: true) { routes in
            routes.route("/task", handler: echo)
            routes.route("/place", handler: echoInPlace)
            routes.routeOnLoop("/loop") { OnLoopEcho() }
        }
        simulation.link = SimulatedLink(latency: .milliseconds(1), readSize: .atMost(size))
        try simulation.value {
            let socket = try await simulation.connect(path)
            for number in 0..<30 {
                try await socket.send(String(repeating: "\(number) ", count: number))
                if number.isMultiple(of: 7) { _ = try await socket.ping() }
            }
            try await socket.send(
                textFragments: AsyncStream { feed in
                    for text in ["one", "", "three"] { feed.yield(text) }
                    feed.finish()
                })
            for _ in 0..<31 { _ = try await socket.receiveCopy() }
            try await socket.close(code: CloseCode(rawValue: 4242), reason: "enough")
        }
        let server = Frames(simulation.serverEvents)
        let client = Frames(simulation.clientEvents)
        #expect(client.sent == server.received)
        #expect(server.sent == client.received)
        #expect(client.sent.count == 40)
        #expect(client.sent.count { $0.hasPrefix("continuation") } == 3)
        #expect(client.sent.last == "close true 8 [16, 146, 101, 110, 111, 117, 103, 104]")
    }

    @Test("A long payload is reported up to the payload limit")
    func aLongPayloadIsCut() throws {
        let simulation = Simulation(observes: true) { $0.route(handler: echo) }
        try simulation.value {
            let socket = try await simulation.connect()
            try await socket.send(ByteBuffer(repeating: 7, count: 100_000))
            _ = try await socket.receiveCopy()
            try await socket.close()
        }
        for events in [simulation.serverEvents, simulation.clientEvents] {
            for event in events.events {
                switch event.kind {
                case .frameSent(let header, let preview), .frameReceived(let header, let preview):
                    guard header.opcode == .binary else { continue }
                    #expect(header.payloadLength == 100_000)
                    #expect(preview.allSatisfy { $0 == 7 } && preview.count <= LifecycleEvent.defaultPayloadLimit)
                    #expect(!preview.isEmpty)
                default: break
                }
            }
        }
    }

    @Test("A refused handshake is reported on both sides")
    func aRefusalIsReported() {
        let simulation = Simulation(observes: true) { _ in }
        let error = simulation.error { try await simulation.connect("/nowhere") }
        #expect(error?.code == .handshakeRefused)
        #expect(simulation.clientEvents.words.prefix(4) == ["connecting", "resolved", "connected", "request sent"])
        #expect(simulation.serverEvents.words.prefix(3) == ["connected", "request received", "404 sent"])
        #expect(simulation.clientEvents.words.last == "TCP ended")
        #expect(simulation.serverEvents.words.last == "TCP ended")
    }

    /// The frames of one side in words: opcode, FIN, length and how the payload begins.
    private struct Frames {
        var sent: [String] = []
        var received: [String] = []

        init(_ recorder: EventRecorder) {
            for event in recorder.events {
                switch event.kind {
                case .frameSent(let header, let preview): sent.append(Frames.word(header, preview))
                case .frameReceived(let header, let preview): received.append(Frames.word(header, preview))
                default: break
                }
            }
        }

        private static func word(_ header: FrameHeader, _ preview: [UInt8]) -> String {
            "\(header.opcode) \(header.isFinal) \(header.payloadLength) \(header.opcode.isControl ? "\(preview)" : "")"
        }
    }
}
