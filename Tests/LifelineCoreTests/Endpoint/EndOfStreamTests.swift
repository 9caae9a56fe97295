import HTTPTypes
import Testing

@testable import LifelineCore

@Suite("§7.1.5, §7.1.7 connections that end without a closing handshake")
struct EndOfStreamTests {
    /// What the peer of each role sends, its opening handshake first, and where its parts end.
    private struct Stream {
        var bytes: [UInt8]
        /// The offset behind the opening handshake.
        var opened: Int
        /// The offset behind the Close frame.
        var closed: Int
        /// The offsets between which no frame and no message is cut in two.
        var boundaries: Set<Int>

        init(to role: WebSocketRole) {
            bytes = role == .server ? HandshakeText.request.bytes : EndpointHarness.answerToFirstSeed
            opened = bytes.count
            boundaries = [opened]
            closed = 0
            var isInsideMessage = false
            for frame in Transcript.rich.frames {
                bytes += frame.bytes(from: role.peer)
                if frame.opcode < 8 { isInsideMessage = !frame.isFinal }
                if !isInsideMessage { boundaries.insert(bytes.count) }
                if frame.opcode == 8 { closed = bytes.count }
            }
        }
    }

    private func endpoint(_ role: WebSocketRole) -> EndpointHarness {
        role == .server ? EndpointHarness(server: .server) : .client()
    }

    /// Checks that everything is over, in a way that nothing can change any more.
    private func expectEnded(_ harness: EndpointHarness, sourceLocation: SourceLocation = #_sourceLocation) {
        let outcome = harness.outcome
        #expect(harness.phase == .closed && outcome != nil, sourceLocation: sourceLocation)
        #expect(harness.deadline == nil, sourceLocation: sourceLocation)
        let count = harness.events.count
        harness.receiveEnd()
        harness.endpoint.transportFailed("again", at: harness.now)
        harness.endpoint.abort("again")
        harness.receive(.text("late"))
        harness.close(.normalClosure)
        harness.advance(by: .seconds(100))
        #expect(harness.outcome == outcome && harness.phase == .closed, sourceLocation: sourceLocation)
        #expect(harness.events.count == count && !harness.hasOutput, sourceLocation: sourceLocation)
    }

    @Test(
        "§7.1.5 an end of stream at any offset gives exactly one outcome, which says whether a frame was cut",
        arguments: WebSocketRole.allCases)
    func endAtEveryOffset(role: WebSocketRole) throws {
        let stream = Stream(to: role)
        for offset in 0...stream.bytes.count {
            let harness = endpoint(role)
            harness.receive(Array(stream.bytes[..<offset]))
            let isDecided = harness.outcome != nil
            harness.receiveEnd()
            #expect(harness.transportRequest == .close)
            let outcome = try #require(harness.outcome)
            if offset >= stream.closed {
                #expect(isDecided && outcome.isClean && outcome.code.rawValue == 4000)
            } else {
                let isCut = offset >= stream.opened && !stream.boundaries.contains(offset)
                #expect(!isDecided && outcome.code == .abnormalClosure)
                #expect(outcome.failure == .endOfStream(insideFrame: isCut), "\(role) at \(offset)")
                #expect(outcome.initiator == .peer && outcome.sent == nil && outcome.received == nil)
            }
            expectEnded(harness)
        }
    }

    @Test("§7.1.5 a transport failure at any offset gives exactly one outcome", arguments: WebSocketRole.allCases)
    func failureAtEveryOffset(role: WebSocketRole) throws {
        let stream = Stream(to: role)
        for offset in 0...stream.bytes.count {
            let harness = endpoint(role)
            harness.isStalled = offset.isMultiple(of: 2)
            harness.receive(Array(stream.bytes[..<offset]))
            harness.endpoint.transportFailed("connection reset by peer", at: harness.now)
            #expect(harness.transportRequest == .abort && !harness.hasOutput)
            let outcome = try #require(harness.outcome)
            if offset >= stream.closed {
                #expect(outcome.isClean)
            } else {
                #expect(outcome.failure == .transport("connection reset by peer"))
                #expect(outcome.initiator == .peer)
            }
            expectEnded(harness)
        }
    }

    @Test(
        "§7.1.5 an abort at any offset gives exactly one outcome", arguments: WebSocketRole.allCases
    )
    func abortAtEveryOffset(role: WebSocketRole) throws {
        let stream = Stream(to: role)
        for offset in 0...stream.bytes.count {
            let harness = endpoint(role)
            harness.receive(Array(stream.bytes[..<offset]))
            harness.endpoint.abort("the application crashed")
            #expect(harness.transportRequest == .abort && !harness.hasOutput)
            let outcome = try #require(harness.outcome)
            #expect(
                offset >= stream.closed ? outcome.isClean : outcome.failure == .aborted("the application crashed"))
            expectEnded(harness)
        }
    }

    @Test("§7.1.5 an end of stream after our Close frame is a local, unclean close")
    func endWhileClosing() throws {
        let server = EndpointHarness.open(.server)
        server.close(.goingAway, "restart")
        server.receiveEnd()
        let outcome = try #require(server.outcome)
        #expect(outcome.initiator == .local && outcome.sent == CloseFrame(.goingAway, "restart"))
        #expect(outcome.failure == .endOfStream(insideFrame: false) && outcome.code == .abnormalClosure)
    }

    @Test("§7.1.5 a transport failure after our Close frame is a local, unclean close")
    func failureWhileClosing() throws {
        let server = EndpointHarness.open(.server)
        server.close(.goingAway)
        server.endpoint.transportFailed("reset", at: server.now)
        let outcome = try #require(server.outcome)
        #expect(outcome.initiator == .local && outcome.sent != nil && outcome.failure == .transport("reset"))
    }

    @Test("§5.5.1 a pending Close frame is written after the peer's FIN")
    func closeFrameAfterEnd() {
        let server = EndpointHarness.open(.server)
        server.isStalled = true
        server.receive(.close(1000))
        server.receiveEnd()
        #expect(server.transportRequest == .close && server.hasOutput)
        server.isStalled = false
        server.drain()
        #expect(server.takeFrames().map(\.closeCode) == [1000])
    }

    @Test("§4.2 a response after the client has disconnected is ignored")
    func goneBeforeAnswer() {
        for end in [{ $0.receiveEnd() }, { $0.endpoint.abort("test") }] as [(EndpointHarness) -> Void] {
            let server = EndpointHarness(server: .server)
            server.answering = .byHand
            server.receive(HandshakeText.request.bytes)
            end(server)
            #expect(server.request == nil)
            server.answerByTheRules()
            server.endpoint.accept(.init(status: .switchingProtocols), at: server.now, random: &server.random)
            server.endpoint.respond(.init(status: .ok), body: [1], at: server.now)
            #expect(server.phase == .closed && !server.hasOutput)
        }
    }

    @Test("§7.1 closing a connection before it is open aborts it", arguments: WebSocketRole.allCases)
    func closeBeforeOpen(role: WebSocketRole) {
        let harness = role == .server ? EndpointHarness(server: .server) : .client()
        harness.close(.normalClosure)
        #expect(harness.phase == .closed && harness.transportRequest == .abort)
        #expect(harness.outcome?.failure == .aborted("closed before the opening handshake was finished"))
    }
}
