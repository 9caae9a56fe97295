import Testing

@testable import LifelineCore

@Suite("§5.4 fragmentation")
struct FragmentationTests {
    @Test("§5.4 a message in several fragments is assembled", arguments: [2, 3, 10, 500], WebSocketRole.allCases)
    func fragments(_ count: Int, role: WebSocketRole) {
        let payload = (0..<count * 3).map { UInt8(truncatingIfNeeded: $0) }
        let harness = EndpointHarness.open(role)
        for index in 0..<count {
            let part = Array(payload[(index * 3)..<(index * 3 + 3)])
            let isLast = index == count - 1
            harness.receive(
                index == 0 ? .binary(part, isFinal: false) : .continuation(part, isFinal: isLast))
            #expect(harness.events.isEmpty == !isLast)
        }
        #expect(harness.events == [.binary(payload)])
    }

    @Test(
        "§5.4 any fragment may be empty",
        arguments: [["", "a"], ["a", ""], ["", "", "a"], ["", "a", ""], ["a", "", ""], ["", ""], ["", "", ""]])
    func emptyFragments(parts: [String]) {
        let server = EndpointHarness.open(.server)
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            server.receive(
                index == 0 ? .text(part, isFinal: isLast) : .continuation(part, isFinal: isLast))
        }
        #expect(server.events == [.text(parts.joined())])
    }

    @Test("§5.4 control frames between fragments are reported at once")
    func controlBetweenFragments() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("one ", isFinal: false), .ping("1"))
        #expect(server.takeEvents() == [.ping("1")])
        server.receive(.continuation("two ", isFinal: false), .pong("2"), .ping("3"))
        #expect(server.takeEvents() == [.unsolicitedPong("2"), .ping("3")])
        server.receive(.continuation("three", isFinal: true))
        #expect(server.takeEvents() == [.text("one two three")])
        #expect(server.takeFrames().map(\.text) == ["1", "3"])
    }

    @Test("§5.4 split control frames between split fragments are read")
    func controlInPieces() {
        let frames: [WireFrame] = [
            .text("one ", isFinal: false), .ping("in pieces"), .continuation("two", isFinal: true), .ping("again"),
        ]
        let server = EndpointHarness.open(.server)
        server.receiveByteByByte(frames.bytes(from: .client))
        #expect(server.events == [.ping("in pieces"), .text("one two"), .ping("again")])
    }

    @Test(
        "§5.4 a continuation without a message to continue fails the connection", arguments: [true, false],
        WebSocketRole.allCases)
    func continuationWithoutMessage(isFinal: Bool, role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.continuation("lost", isFinal: isFinal))
        #expect(harness.events == [.closed])
        harness.expectFailed(with: 1002)
    }

    @Test(
        "§5.4 a continuation after a message's last frame fails the connection",
        arguments: [[WireFrame.text("whole")], [.text("a", isFinal: false), .continuation("b", isFinal: true)]])
    func continuationAfterTheEnd(first: [WireFrame]) {
        let server = EndpointHarness.open(.server)
        server.receive(first.bytes(from: .client))
        #expect(server.takeEvents().count == 1)
        server.receive(.continuation("more", isFinal: true))
        server.expectFailed(with: 1002)
    }

    @Test(
        "§5.4 a new message inside a message fails the connection",
        arguments: [WireFrame.text("inner"), .binary([1]), .text("inner", isFinal: false), .text("")],
        WebSocketRole.allCases)
    func messageInsideMessage(inner: WireFrame, role: WebSocketRole) {
        let harness = EndpointHarness.open(role)
        harness.receive(.text("outer", isFinal: false), inner)
        #expect(harness.events == [.closed])
        harness.expectFailed(with: 1002)
    }

    @Test("§5.4 the kind of a message is its first frame's")
    func kindOfTheFirstFrame() {
        let server = EndpointHarness.open(.server)
        // Bytes that are not UTF-8 in a continuation of a binary message do no harm.
        server.receive(.binary([0x61], isFinal: false), .continuation([0xFF], isFinal: true))
        #expect(server.takeEvents() == [.binary([0x61, 0xFF])])
        server.receive(.text("a", isFinal: false), .continuation([0xFF], isFinal: true))
        server.expectFailed(with: 1007)
    }

    @Test("§5.4 single-frame and fragmented messages may alternate")
    func messagesInTurn() {
        let server = EndpointHarness.open(.server)
        var expected: [RecordedEvent] = []
        for round in 0..<50 {
            server.receive(
                .text("single \(round)"), .text("frag", isFinal: false),
                .continuation("mented \(round)", isFinal: true),
                .binary([UInt8(round)]))
            expected += [.text("single \(round)"), .text("fragmented \(round)"), .binary([UInt8(round)])]
        }
        #expect(server.events == expected)
        server.expectOpen()
    }

    @Test("§5.4 a Close frame ends an unfinished message")
    func closeInsideMessage() {
        let server = EndpointHarness.open(.server)
        server.receive(.text("begun", isFinal: false), .close(1001, "leaving"))
        #expect(server.events == [.closed])
        #expect(server.outcome?.isClean == true)
        #expect(server.outcome?.code == .goingAway)
        let isFreed = server.endpoint.assembly.isEmpty
        #expect(isFreed, "nothing is kept of the message that will not end")
    }
}
