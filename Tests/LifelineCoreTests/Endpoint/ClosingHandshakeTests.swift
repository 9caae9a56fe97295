import Testing

@testable import LifelineCore

@Suite("§7.1 the closing handshake")
struct ClosingHandshakeTests {
    @Test(
        "§7.1.2, §7.1.3 closing sends a Close frame, and no data can be sent after it",
        arguments: WebSocketRole.allCases)
    func begunHere(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.close(.goingAway, "restart")
        #expect(harness.phase == .closing)
        let frames = harness.takeFrames()
        #expect(frames.map(\.closeCode) == [1001])
        #expect(frames.first?.payload.dropFirst(2).elementsEqual("restart".utf8) == true)
        #expect(harness.outcome == nil && harness.transportRequest == nil)
        #expect(harness.deadline == harness.now.advanced(by: .seconds(10)))
    }

    @Test("§7.1.4 a close that the peer answers is clean, and has both frames", arguments: WebSocketRole.allCases)
    func begunHereAndAnswered(role: WebSocketRole) throws {
        let harness = EndpointHarness.open(role)
        harness.close(.goingAway, "restart")
        harness.receive(.close(1001))
        #expect(harness.events == [.closed])
        let outcome = try #require(harness.outcome)
        #expect(outcome.isClean && outcome.initiator == .local && outcome.failure == nil)
        #expect(outcome.sent == CloseFrame(.goingAway, "restart"))
        #expect(outcome.received == CloseFrame(.goingAway, ""))
        #expect(outcome.code == .goingAway && outcome.reason == "")
        #expect(harness.takeFrames().count == 1, "the answer is not answered")
    }

    @Test(
        "§5.5.1, §7.1.4 a close by the peer is clean, and its code is echoed", arguments: WebSocketRole.allCases)
    func begunByPeer(role: WebSocketRole) throws {
        let harness = EndpointHarness.open(role)
        harness.receive(.close(4001, "done here"))
        #expect(harness.events == [.closed])
        #expect(harness.takeFrames().map(\.payload) == [[0x0F, 0xA1]])
        let outcome = try #require(harness.outcome)
        #expect(outcome.isClean && outcome.initiator == .peer)
        #expect(outcome.code.rawValue == 4001 && outcome.reason == "done here")
        #expect(outcome.sent == CloseFrame(CloseCode(rawValue: 4001), ""))
    }

    @Test(
        "§7.1.1 the server ends its side of TCP first, and reads until the client's FIN",
        arguments: [true, false])
    func serverEndsFirst(isBegunHere: Bool) {
        let server = EndpointHarness.open(.server)
        if isBegunHere { server.close(.normalClosure) }
        server.receive(.close(1000))
        #expect(server.phase == .ending)
        #expect(server.transportRequest == .shutdownOutput)
        server.receiveEnd()
        #expect(server.phase == .closed)
        #expect(server.transportRequest == .close)
        #expect(server.outcome?.isClean == true)
        #expect(server.deadline == nil)
    }

    @Test("§7.1.1 the client waits for the server to end its side of TCP", arguments: [true, false])
    func clientWaits(isBegunHere: Bool) {
        let client = EndpointHarness.open(.client)
        if isBegunHere { client.close(.normalClosure) }
        client.receive(.close(1000))
        #expect(client.phase == .ending)
        #expect(client.transportRequest == nil)
        client.receiveEnd()
        #expect(client.phase == .closed)
        #expect(client.transportRequest == .close)
        #expect(client.outcome?.isClean == true)
    }

    @Test(
        "§7.1.1 a client closes TCP after a timeout if the server does not, and the outcome stays clean",
        arguments: WebSocketRole.allCases)
    func serverNeverEnds(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.close(1000))
        harness.advance(by: .seconds(10) - .nanoseconds(1))
        #expect(harness.phase == .ending)
        harness.advance(by: .nanoseconds(1))
        #expect(harness.phase == .closed && harness.transportRequest == .abort)
        #expect(harness.outcome?.isClean == true && harness.outcome?.code == .normalClosure)
    }

    @Test(
        "§7.1 an unanswered Close frame gives an unclean outcome exactly at the deadline",
        arguments: WebSocketRole.allCases)
    func neverAnswered(role: WebSocketRole) throws {
        let harness = EndpointHarness.open(role)
        harness.close(.normalClosure, "bye")
        harness.receive(.text("data puts nothing off"))
        harness.advance(by: .seconds(10) - .nanoseconds(1))
        #expect(harness.phase == .closing)
        harness.advance(by: .nanoseconds(1))
        let outcome = try #require(harness.outcome)
        #expect(harness.phase == .closed && harness.transportRequest == .abort)
        #expect(outcome.failure == .closeTimedOut(after: .seconds(10)))
        #expect(outcome.initiator == .local && outcome.code == .abnormalClosure)
        #expect(outcome.sent == CloseFrame(.normalClosure, "bye") && outcome.received == nil)
    }

    @Test(
        "§5.5.1 messages between the two Close frames are received, including one already under way",
        arguments: [Endpoint.Delivery.messages, .chunks])
    func dataWhileClosing(delivery: Endpoint.Delivery) {
        let server = EndpointHarness.open(.server, delivery: delivery)
        server.receive(.text("begun", isFinal: false))
        server.close(.normalClosure)
        server.receive(
            .continuation(" before", isFinal: true), .binary([1, 2, 3]), .ping("p"), .text("late"), .close(1000))
        #expect(
            server.events.withChunksJoined
                == [.text("begun before"), .binary([1, 2, 3]), .ping("p"), .text("late"), .closed])
        #expect(server.outcome?.isClean == true)
        #expect(server.takeFrames().map(\.opcode) == [8], "nothing is sent after the Close frame")
    }

    @Test("§5.5.1 a fragmented message is received whole, wherever the closing handshake begins")
    func halfReadMessage() {
        let frames: [WireFrame] = [.text("half", isFinal: false), .ping("?"), .continuation(" read", isFinal: true)]
        let bytes = frames.bytes(from: .client)
        for split in 0...bytes.count {
            let server = EndpointHarness.open(.server)
            server.receive(Array(bytes[..<split]))
            server.close(.normalClosure)
            server.receive(Array(bytes[split...]) + WireFrame.close(1000).bytes(from: .client))
            #expect(server.events == [.ping("?"), .text("half read"), .closed])
            #expect(server.outcome?.isClean == true)
        }
    }

    @Test("§5.5.1 a compressed message is received whole, wherever the closing handshake begins")
    func halfReadCompressedMessage() {
        withBudget { budget in
            let content = DeflateSample.json.bytes(300)
            let bytes = WireFrame.compressed(.text, OracleCompressor.message(content)).bytes(from: .client)
            for split in 0...bytes.count {
                let server = EndpointHarness.compressing(.server, configuration: .compressing(.server, budget))
                server.receive(Array(bytes[..<split]))
                server.close(.normalClosure)
                server.receive(Array(bytes[split...]) + WireFrame.close(1000).bytes(from: .client))
                #expect(server.events == [.message(.text, content), .closed])
            }
        }
    }

    @Test("§5.5.1 a message cut off by the peer's Close frame is dropped, and its memory freed")
    func unfinishedWhileClosing() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("begun", isFinal: false))
        server.close(.normalClosure)
        server.receive(.continuation(" and not ended", isFinal: false), .close(1000))
        #expect(server.events == [.closed])
        let isFreed = server.endpoint.assembly.capacity == 0
        #expect(isFreed && server.outcome?.isClean == true)
    }

    @Test(
        "§5.5.1, §7.1.7 the rules hold for messages between the two Close frames",
        arguments: [
            ([WireFrame.text([0x61, 0xFF])], 1007),
            ([.text([0xE2], isFinal: false), .continuation([0x82], isFinal: true)], 1007),
            ([.continuation("x", isFinal: true)], 1002), ([.text("a", isFinal: false), .text("b")], 1002),
            ([WireFrame(opcode: 2, payload: [], declaredLength: 1 << 21)], 1009),
            (
                Array(repeating: .text("", isFinal: false), count: 1)
                    + Array(repeating: .continuation("", isFinal: false), count: 16_384), 1008
            ),
        ] as [([WireFrame], UInt16)])
    func rulesWhileClosing(_ frames: [WireFrame], _ code: UInt16) {
        let server = EndpointHarness.open(.server)
        server.close(.goingAway)
        server.receive(frames.bytes(from: .client))
        #expect(server.events == [.closed])
        #expect(server.violation?.closeCode.rawValue == code)
        #expect(server.takeFrames().map(\.closeCode) == [1001], "the Close frame that was sent stays the only one")
        #expect(server.phase == .ending && server.transportRequest == .shutdownOutput)
    }

    @Test("§5.5.2 while closing, Pings and Pongs are reported but not answered")
    func pingWhileClosing() throws {
        let server = EndpointHarness.open(.server)
        let number = try server.ping()
        server.close(.normalClosure)
        _ = server.takeOutput()
        server.receive(.ping("late"), WireFrame(opcode: 0xA, payload: PingNumber.payload(number)))
        #expect(server.events.first == .ping("late"))
        #expect(server.events.last == .pong(PingNumber.payload(number), number: number, roundTrip: .zero))
        #expect(server.output.isEmpty)
    }

    @Test("§5.5.1, §7.1.1 bytes after the peer's Close frame are ignored", arguments: WebSocketRole.allCases)
    func dataAfterClose(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        let frames: [WireFrame] = [
            .close(1000), .text("late"), .ping("late"), .close(1011), WireFrame(opcode: 3, payload: []),
        ]
        harness.receive(frames.bytes(from: role.peer) + [0xFF, 0xFF, 0xFF])
        harness.receive(.text("later"))
        #expect(harness.events == [.closed])
        #expect(harness.takeFrames().count == 1)
        let isIgnored = harness.endpoint.assembly.capacity == 0
        #expect(isIgnored && harness.outcome?.isClean == true && harness.outcome?.code == .normalClosure)
    }

    @Test("§7.1.2 a second close has no effect")
    func closedTwice() {
        let server = EndpointHarness.open(.server)
        server.close(.normalClosure, "first")
        let deadline = server.deadline
        server.advance(by: .seconds(1))
        server.close(.goingAway, "second")
        #expect(server.takeFrames().map(\.closeCode) == [1000])
        #expect(server.deadline == deadline)
        server.receive(.close(1000))
        server.close(.goingAway, "third")
        #expect(server.output.isEmpty)
        #expect(server.outcome?.sent == CloseFrame(.normalClosure, "first"))
    }

    @Test("§7.1.7 a violation while closing fails the connection without a second Close frame")
    func violationWhileClosing() throws {
        let server = EndpointHarness.open(.server)
        server.close(.goingAway)
        server.receive(WireFrame(opcode: 0x3, payload: []))
        #expect(server.takeFrames().map(\.closeCode) == [1001])
        let outcome = try #require(server.outcome)
        #expect(outcome.sent == CloseFrame(.goingAway, "") && outcome.received == nil && !outcome.isClean)
        #expect(server.violation?.closeCode == .protocolError)
        #expect(server.phase == .ending && server.transportRequest == .shutdownOutput)
    }

    @Test(
        "§7.1.7 after a violation, TCP is closed by the close deadline without waiting for a Close frame",
        arguments: WebSocketRole.allCases)
    func afterViolation(role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(WireFrame(opcode: 0x3, payload: []))
        let outcome = harness.outcome
        harness.receive(.close(1002))
        #expect(harness.outcome == outcome)
        harness.advance(by: .seconds(10))
        #expect(harness.phase == .closed && harness.transportRequest == .abort && harness.outcome == outcome)
    }
}
