import Testing

@testable import LifelineCore

@Suite("Hostile input: flow")
struct HostileFlowTests {
    @Test("After a million Pings without a read, only the latest Pong is pending")
    func millionPings() {
        let server = EndpointHarness.open(.server)
        server.isStalled = true
        let thousand = Array(repeating: WireFrame.ping("of a million"), count: 1_000).bytes(from: .client)
        for _ in 0..<1_000 {
            var bytes = thousand
            bytes.withUnsafeMutableBytes { memory in
                var input = ReadBuffer(memory)
                while case .ping = server.endpoint.receive(&input, at: server.now) {}
            }
        }
        server.receive(.ping("the latest"))
        server.expectOpen()
        let waiting = server.endpoint.pendingControlFrames.map(\.payload)
        #expect(waiting == [Array("the latest".utf8)])
        server.isStalled = false
        server.drain()
        #expect(server.takeFrames().map(\.payload) == waiting)
        #expect(!server.hasOutput)
    }

    @Test("For a peer that never reads, at most one control frame of each kind is pending")
    func neverReads() throws {
        let server = HeartbeatTests.server(interval: .seconds(1), timeout: .seconds(5))
        server.isStalled = true
        for round in 0..<500 {
            server.advance(by: .seconds(1))
            server.receive(.ping("ping \(round)"))
        }
        let waiting = server.endpoint.pendingControlFrames.map(\.opcode)
        #expect(waiting == [.pong, .ping])
        server.close(.goingAway)
        server.isStalled = false
        server.drain()
        #expect(server.takeFrames().map(\.opcode) == [0xA, 0x8])
    }

    @Test(
        "A peer that is silent after a Ping is closed at the deadline, with an outcome that says so",
        arguments: WebSocketRole.allCases)
    func silent(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.advance(by: .seconds(35))
        #expect(harness.outcome?.failure == .heartbeatTimedOut(after: .seconds(10)))
    }

    @Test("A peer that trickles bytes stays connected and uses no memory")
    func drip() {
        let server = EndpointHarness.open(.server)
        server.receive(WireFrame(opcode: 2, payload: [], declaredLength: 1 << 20).masked().header)
        for _ in 0..<1000 {
            server.advance(by: .seconds(9))
            server.receive([0])
        }
        server.expectOpen()
        let kept = server.endpoint.assembly.count
        #expect(kept == 1000)
    }

    @Test("The heartbeat pauses while the application does not read")
    func pausedReader() {
        let server = EndpointHarness.open(.server)
        server.endpoint.setInputPaused(true, at: server.now)
        server.advance(by: .seconds(3600))
        server.expectOpen()
        server.endpoint.setInputPaused(false, at: server.now)
        server.receive(.text("sent an hour ago"))
        #expect(server.events == [.text("sent an hour ago")])
        server.advance(by: .seconds(3600))
        #expect(server.outcome?.failure == .heartbeatTimedOut(after: .seconds(10)))
    }

    @Test("A peer that ends TCP in any way at any time leaks nothing")
    func goneInAnyWay() {
        let ends: [(EndpointHarness) -> Void] = [
            { $0.receiveEnd() }, { $0.endpoint.transportFailed("reset", at: $0.now) }, { $0.advance(by: .seconds(60)) },
        ]
        for end in ends {
            let server = EndpointHarness.open(.server)
            server.isStalled = true
            server.receive(.text("begun", isFinal: false), .ping("unanswered"))
            server.receive(Array(WireFrame.ping("half").bytes(from: .client).prefix(7)))
            end(server)
            #expect(server.phase == .closed && server.outcome?.isClean == false && server.deadline == nil)
        }
    }
}
