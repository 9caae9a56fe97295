import Lifeline
import LifelineTrace
import NIOCore
import Testing

@testable import LifelineCLI

@Suite("Reading a replay from a recording") struct ReplayTests {
    /// A connection of which the server's side was recorded, after its opening handshake.
    private static func recording(_ kinds: [TraceEvent.Kind]) -> Recording {
        let opened = TraceEvent.Kind.response(.sent, .init(status: 101, reason: "Switching Protocols"))
        return Recording(
            events: ([opened] + kinds).enumerated().map { index, kind in
                TraceEvent(time: Int64(index), connection: 1, observer: .server, kind: kind)
            })
    }

    private static func frame(
        _ opcode: UInt8, _ direction: TraceEvent.Direction = .received, isFinal: Bool = true, rsv1: Bool = false,
        length: Int, payload: String? = nil
    ) -> TraceEvent.Kind {
        .frame(
            direction,
            .init(
                opcode: opcode, isFinal: isFinal, rsv1: rsv1, isMasked: true, length: length,
                payload: payload.map { Array($0.utf8) }))
    }

    private static func message(
        _ text: String, _ direction: TraceEvent.Direction = .received, frames: Int, payload: String? = nil
    ) -> TraceEvent.Kind {
        .message(
            direction,
            .init(
                isText: true, size: text.utf8.count, wireSize: 0, frames: frames, payload: Array((payload ?? text).utf8)
            ))
    }

    private static func close(_ direction: TraceEvent.Direction, _ code: UInt16) -> TraceEvent.Kind {
        let payload = [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)]
        return .frame(direction, .init(opcode: 8, isMasked: true, length: 2, payload: payload))
    }

    /// The client's steps in words.
    private static func steps(_ kinds: [TraceEvent.Kind]) throws -> [String] {
        try Replay(recording(kinds), connection: nil, side: .client).steps.map { step in
            switch step.kind {
            case .send(let message): "send \(message == .text("hello") ? "hello" : "something else") \(step.answers)"
            case .fragment(_, let position, let bytes): "\(position) \(String(buffer: bytes)) \(step.answers)"
            case .ping: "ping"
            case .close(let frame): "close \(frame)"
            case .abort: "cut"
            }
        }
    }

    @Test("Fragments follow the recorded frames' lengths or payloads")
    func fragments() throws {
        let ping = Self.frame(9, length: 0, payload: "")
        let answer = Self.message("a", .sent, frames: 1)
        #expect(
            try Self.steps([
                Self.frame(1, isFinal: false, length: 2), ping, answer, Self.frame(0, length: 3),
                Self.message("hello", frames: 2),
            ]) == ["first he 0", "ping", "last llo 1"])
        // Sent in parts by an application: the message shows its first alone.
        #expect(
            try Self.steps([
                Self.frame(1, isFinal: false, length: 2, payload: "he"), Self.frame(0, length: 3, payload: "llo"),
                Self.message("hello", frames: 2, payload: "he"),
            ]) == ["first he 0", "last llo 0"])
        #expect(
            try Self.steps([
                Self.frame(1, isFinal: false, rsv1: true, length: 9, payload: "hel"),
                Self.frame(0, isFinal: false, length: 9, payload: ""), Self.frame(0, length: 9, payload: "lo"),
                Self.message("hello", frames: 3),
            ]) == ["first hel 0", "middle  0", "last lo 0"])
        // Compressed, and nothing recorded of the parts.
        #expect(
            try Self.steps([
                Self.frame(1, isFinal: false, rsv1: true, length: 9), ping, Self.frame(0, length: 9),
                Self.message("hello", frames: 2),
            ]) == ["ping", "send hello 0"])
        // One that the recording, or the connection, breaks off.
        #expect(
            try Self.steps([Self.frame(1, isFinal: false, length: 2, payload: "he"), .tcpEnded]) == ["first he 0"])
        #expect(throws: Replay.Unplayable.self) {
            try Self.steps([
                Self.frame(1, isFinal: false, length: 2), Self.frame(0, length: 3),
                Self.message("hello", frames: 2, payload: "h"),
            ])
        }
    }

    @Test("A replay's end is attributed to its initiator")
    func endings() throws {
        func ended(_ initiator: TraceEvent.Ending.Initiator) -> TraceEvent.Kind {
            .ended(.init(initiator: initiator, isClean: false, code: 1006, reason: ""))
        }
        for (kinds, steps, text) in [
            (
                [Self.close(.received, 1000), Self.close(.sent, 1001), ended(.peer)], ["close 1000 (normal closure)"],
                "closed by the client, answered with 1001 (going away)"
            ),
            (
                [Self.close(.sent, 1001), Self.close(.received, 1001), ended(.local)], [],
                "closed by the server with 1001 (going away)"
            ),
            ([ended(.local), .tcpEnded], [], "ended by the server without a Close frame"),
            ([ended(.peer), .tcpEnded], ["cut"], "ended by the client without a Close frame"),
            (
                [Self.close(.received, 4000), .tcpEnded], ["close 4000"], "closed by the client, without an answer"
            ),
            ([Self.message("hello", .sent, frames: 1)], [], nil),
        ] {
            let replay = try Replay(Self.recording(kinds), connection: 1, side: .client)
            #expect(replay.ending?.text(played: .client) == text)
            #expect(try Self.steps(kinds) == steps)
        }
    }
}
