import Testing

@testable import LifelineCore

@Suite("§6.1 sending")
struct SendingTests {
    @Test("§6.1 data is sent only while the connection is open", arguments: WebSocketRole.allCases)
    func onlyWhileOpen(role: WebSocketRole) throws {
        let opening = EndpointHarness(server: .server)
        #expect(throws: Endpoint.SendError.notOpen) { try opening.send(.text, []) }

        let harness = EndpointHarness.open(role)
        try harness.send(.text, [0x61])
        harness.close(.normalClosure)
        #expect(throws: Endpoint.SendError.notOpen) { try harness.send(.text, []) }
        harness.receive(.close(1000))
        #expect(throws: Endpoint.SendError.notOpen) { try harness.send(.text, []) }
        harness.receiveEnd()
        #expect(throws: Endpoint.SendError.notOpen) { try harness.send(.text, []) }
    }

    @Test("§5.5.1 no data is sent once the peer's Close frame has been answered")
    func notAfterReceivedClose() {
        let server = EndpointHarness.open(.server)
        server.receive(.close(1000))
        #expect(throws: Endpoint.SendError.notOpen) { try server.send(.binary, [1]) }
        #expect(throws: Endpoint.SendError.notOpen) { try server.ping() }
    }

    @Test("§5.4 a fragment's position decides its opcode and FIN")
    func positions() throws {
        let server = EndpointHarness.open(.server)
        try server.send(.binary, [1], .only)
        try server.send(.text, [0x61], .first)
        try server.send(.text, [0x62], .middle)
        try server.send(.text, [], .middle)
        try server.send(.text, [0x63], .last)
        try server.send(.binary, [2], .first)
        try server.send(.binary, [3], .last)
        let frames = server.takeFrames()
        #expect(frames.map(\.opcode) == [2, 1, 0, 0, 0, 2, 0])
        #expect(frames.map(\.isFinal) == [true, false, false, false, true, false, true])
        #expect(frames.map(\.payload) == [[1], [0x61], [0x62], [], [0x63], [2], [3]])
        #expect(frames.allSatisfy { $0.reserved == 0 })
    }

    @Test("§5.4 no message can begin inside a fragmented one", arguments: [FragmentPosition.only, .first])
    func insideMessage(_ position: FragmentPosition) throws {
        let server = EndpointHarness.open(.server)
        try server.send(.text, [], .first)
        #expect(throws: Endpoint.SendError.insideMessage) { try server.send(.text, [], position) }
        // The refused call has changed nothing.
        try server.send(.text, [], .last)
        try server.send(.text, [], .only)
        #expect(server.takeFrames().count == 3)
    }

    @Test("§5.4 a continuation cannot be sent without a first fragment", arguments: [FragmentPosition.middle, .last])
    func noMessage(_ position: FragmentPosition) throws {
        let server = EndpointHarness.open(.server)
        #expect(throws: Endpoint.SendError.noMessage) { try server.send(.text, [], position) }
        try server.send(.text, [], .only)
        #expect(throws: Endpoint.SendError.noMessage) { try server.send(.text, [], position) }
        try server.send(.text, [], .first)
        try server.send(.text, [], .last)
        #expect(throws: Endpoint.SendError.noMessage) { try server.send(.text, [], position) }
        #expect(server.takeFrames().count == 3)
    }

    @Test("§5.4 control frames may be sent between fragments")
    func controlBetweenFragments() throws {
        let server = EndpointHarness.open(.server)
        try server.send(.text, [0x61], .first)
        server.receive(.ping("p"))
        try server.ping()
        try server.send(.text, [0x62], .last)
        #expect(server.takeFrames().map(\.opcode) == [1, 0xA, 0x9, 0])
    }

    @Test("§5.5.1 a Close frame may be sent inside a fragmented message, and ends it")
    func closeInsideMessage() throws {
        let server = EndpointHarness.open(.server)
        try server.send(.text, [0x61], .first)
        server.close(.goingAway)
        #expect(throws: Endpoint.SendError.notOpen) { try server.send(.text, [], .last) }
        #expect(server.takeFrames().map(\.opcode) == [1, 8])
    }

    @Test("§5.5.2 the latest unwritten Ping replaces earlier ones")
    func pingsInWaiting() throws {
        let server = EndpointHarness.open(.server)
        server.isStalled = true
        let numbers = try (0..<5).map { _ in try server.ping() }
        server.isStalled = false
        server.drain()
        let frames = server.takeFrames()
        #expect(frames.count == 1)
        #expect(frames.first?.payload == PingNumber.payload(numbers[4]))
    }

    @Test("§5.5.2 the number of unanswered Pings is limited")
    func tooManyPings() throws {
        let server = EndpointHarness.open(.server)
        for _ in 0..<Heartbeat.maximumOutstanding { try server.ping() }
        #expect(throws: Endpoint.SendError.tooManyPings) { try server.ping() }
        // The answer to the last answers all of them.
        let last = server.takeFrames().last?.payload ?? []
        server.receive(WireFrame(opcode: 0xA, payload: last))
        try server.ping()
    }

    @Test("§6.1 an idle connection has no pending output", arguments: WebSocketRole.allCases)
    func noOutput(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        #expect(!harness.hasOutput)
        harness.receive(.text("in"), .pong("out"))
        #expect(!harness.hasOutput)
    }
}

/// How a Ping's number stands in its payload.
enum PingNumber {
    static func payload(_ number: UInt64) -> [UInt8] {
        (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }
}
