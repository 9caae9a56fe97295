import HTTPTypes
import Testing

@testable import LifelineCore

/// Every call in every phase has a defined answer.
@Suite("The phases of a connection")
struct PhaseTests {
    /// A harness in each phase, for each role.
    private func harness(_ role: WebSocketRole, in phase: Endpoint.Phase) -> EndpointHarness {
        guard phase != .opening else { return role == .server ? EndpointHarness(server: .server) : .client() }
        let harness = EndpointHarness.open(role)
        switch phase {
        case .opening, .open: break
        case .closing: harness.close(.normalClosure)
        case .ending: harness.receive(.close(1000))
        case .closed: harness.receiveEnd()
        }
        _ = harness.takeEvents()
        _ = harness.takeOutput()
        return harness
    }

    private static let phases: [Endpoint.Phase] = [.opening, .open, .closing, .ending, .closed]

    @Test("Each phase is reached as §4 and §7 require", arguments: phases, WebSocketRole.allCases)
    func reached(_ phase: Endpoint.Phase, role: WebSocketRole) {
        #expect(harness(role, in: phase).phase == phase)
    }

    @Test(
        "Data and Pings can be sent only while the connection is open", arguments: phases,
        WebSocketRole.allCases)
    func sending(_ phase: Endpoint.Phase, role: WebSocketRole) throws {
        let harness = harness(role, in: phase)
        if phase == .open {
            try harness.send(.text, [])
            try harness.ping()
        } else {
            #expect(throws: Endpoint.SendError.notOpen) { try harness.send(.text, []) }
            #expect(throws: Endpoint.SendError.notOpen) { try harness.ping() }
        }
    }

    @Test("Every phase except closed has a deadline", arguments: phases, WebSocketRole.allCases)
    func deadlines(_ phase: Endpoint.Phase, role: WebSocketRole) {
        let harness = harness(role, in: phase)
        #expect((harness.deadline == nil) == (phase == .closed))
        // Before the deadline nothing is due.
        guard let deadline = harness.deadline else { return }
        harness.endpoint.advance(to: MonotonicInstant(nanoseconds: deadline.nanoseconds - 1))
        #expect(harness.phase == phase && !harness.hasOutput && harness.deadline == deadline)
    }

    @Test(
        "The outcome is set when the WebSocket ends, and not earlier", arguments: phases, WebSocketRole.allCases)
    func outcomes(_ phase: Endpoint.Phase, role: WebSocketRole) {
        #expect((harness(role, in: phase).outcome != nil) == (phase == .ending || phase == .closed))
    }

    @Test("Aborting ends every phase at once and does not change an outcome", arguments: phases, WebSocketRole.allCases)
    func abort(_ phase: Endpoint.Phase, role: WebSocketRole) {
        let harness = harness(role, in: phase)
        let outcome = harness.outcome
        let request = harness.transportRequest
        harness.endpoint.abort("enough")
        #expect(harness.phase == .closed)
        #expect(harness.outcome == outcome || outcome == nil && harness.outcome?.failure == .aborted("enough"))
        #expect(harness.transportRequest == (phase == .closed ? request : .abort))
    }

    @Test("Input can be paused in every phase", arguments: phases, WebSocketRole.allCases)
    func pausing(_ phase: Endpoint.Phase, role: WebSocketRole) {
        let harness = harness(role, in: phase)
        let deadline = harness.deadline
        harness.endpoint.setInputPaused(true, at: harness.now)
        harness.endpoint.setInputPaused(false, at: harness.now)
        #expect(harness.phase == phase && harness.deadline == deadline)
    }

    @Test("A client reports the opening once, with the server's response")
    func opening() {
        let client = EndpointHarness.client()
        let answer = client.answerToRequest.adding("Set-Cookie: id=1")
        client.receive(answer.bytes) { event in
            guard case .opened = event else { return }
            let cookie = client.endpoint.opening?.response.headerFields[.setCookie]
            #expect(cookie == "id=1")
        }
        client.receive(.text("next"))
        let isGone = client.endpoint.opening == nil
        #expect(isGone, "an open connection carries nothing of its handshake")
        #expect(client.events.count == 2)
    }

    @Test(
        "An open connection frees its handshake: a server once the response is written, a client once it reads"
    )
    func handshakeIsFreed() {
        let server = EndpointHarness(server: .server)
        server.answering = .byHand
        server.receive(HandshakeText.request.bytes)
        server.answerByTheRules()
        server.drain()
        let isFreedWhenWritten = server.endpoint.handshake == nil
        #expect(isFreedWhenWritten)
        let client = EndpointHarness.open(.client)
        client.receive(.text("first"))
        let isFreedWhenRead = client.endpoint.handshake == nil
        #expect(isFreedWhenRead)
    }

    @Test("Each role is the peer of the other")
    func roles() {
        #expect(WebSocketRole.client.peer == .server && WebSocketRole.server.peer == .client)
        #expect(MessageKind.text.opcode == .text && MessageKind.binary.opcode == .binary)
    }
}
