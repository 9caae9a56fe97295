import Testing

@testable import LifelineCore

@Suite("§5.5 control frames")
struct ControlFrameTests {
    private static let opcodes: [UInt8] = [0x8, 0x9, 0xA]

    @Test("§5.5 a fragmented control frame fails the connection", arguments: opcodes, WebSocketRole.allCases)
    func fragmented(_ opcode: UInt8, role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(WireFrame(opcode: opcode, isFinal: false, payload: [3, 0xE8]))
        #expect(harness.events == [.closed])
        harness.expectFailed(with: 1002)
    }

    @Test(
        "§5.5 a control frame over 125 bytes fails the connection at its header", arguments: opcodes,
        [126, 127, 65_535, 65_536, 1 << 40])
    func tooLong(_ opcode: UInt8, length: Int) {
        for role in [WebSocketRole.client, .server] {
            let harness = EndpointHarness.open(role)
            let frame = WireFrame(opcode: opcode, payload: [], declaredLength: UInt64(length))
            harness.receive(Array(frame.bytes(from: role.peer).prefix(2)))
            #expect(harness.events == [.closed])
            harness.expectFailed(with: 1002)
        }
    }

    @Test("§5.5.2, §5.5.3 Pings and Pongs of every length up to 125 bytes are read")
    func allLengths() {
        for length in 0...125 {
            let payload = (0..<length).map { UInt8($0 &+ 100) }
            let server = EndpointHarness.open(.server)
            server.receive(WireFrame(opcode: 0x9, payload: payload), WireFrame(opcode: 0xA, payload: payload))
            #expect(server.events == [.ping(payload), .pong(payload, number: nil, roundTrip: nil)])
            #expect(server.takeFrames() == [WireFrame(opcode: 0xA, payload: payload)])
        }
    }
}

@Suite("§5.5.2, §5.5.3 Ping and Pong")
struct PingAndPongTests {
    @Test("§5.5.2 a Ping is answered with a Pong", arguments: WebSocketRole.allCases)
    func answered(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.ping("are you there?"))
        #expect(harness.takeEvents() == [.ping("are you there?")])
        let frames = harness.takeFrames()
        #expect(frames.count == 1)
        #expect(frames.first?.opcode == 0xA && frames.first?.isFinal == true)
    }

    @Test("§5.5.3 a Pong carries the payload of the Ping that it answers")
    func samePayload() {
        let server = EndpointHarness.open(.server)
        for payload in ["", "a", "\u{0}\u{1}", String(repeating: "x", count: 125)] {
            server.receive(.ping(payload))
            #expect(server.takeFrames().map(\.text) == [payload])
        }
    }

    @Test("§5.5.3 if several Pings arrive before the Pong is written, only the latest is answered")
    func latestAlone() {
        let server = EndpointHarness.open(.server)
        server.isStalled = true
        server.receive(.ping("1"), .ping("2"), .text("between"), .ping("3"))
        #expect(server.takeEvents() == [.ping("1"), .ping("2"), .text("between"), .ping("3")])
        server.isStalled = false
        server.drain()
        #expect(server.takeFrames().map(\.text) == ["3"])
        #expect(!server.hasOutput)
    }

    @Test("§5.5.3 Pings that arrive one at a time are all answered in order")
    func allAnswered() {
        let server = EndpointHarness.open(.server)
        server.receive(.ping("1"), .ping("2"), .ping("3"))
        #expect(server.takeFrames().map(\.text) == ["1", "2", "3"])
    }

    @Test("§5.5.3 an unsolicited Pong is accepted and not answered", arguments: WebSocketRole.allCases)
    func unsolicited(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.pong("hello"), .pong())
        #expect(harness.events == [.unsolicitedPong("hello"), .unsolicitedPong("")])
        #expect(harness.output.isEmpty)
        harness.expectOpen()
    }

    @Test("§5.5.2 an empty Ping is answered with an empty Pong")
    func emptyPing() {
        let server = EndpointHarness.open(.server)
        server.receive(.ping())
        #expect(server.takeOutput() == [0x8A, 0x00])
    }

    @Test("§5.5.1 no Pong is sent after a Close frame")
    func noPongAfterClose() {
        let server = EndpointHarness.open(.server)
        server.close(.normalClosure)
        _ = server.takeOutput()
        server.receive(.ping("late"))
        #expect(server.events == [.ping("late")])
        #expect(server.output.isEmpty)
    }

    @Test("§5.5.1 a pending Pong is written before the Close frame")
    func pongBeforeClose() {
        let server = EndpointHarness.open(.server)
        server.isStalled = true
        server.receive(.ping("asked before"))
        server.close(.normalClosure)
        server.isStalled = false
        server.drain()
        #expect(server.takeFrames().map(\.opcode) == [0xA, 0x8])
    }
}
