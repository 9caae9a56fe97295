import Lifeline
import LifelineTrace

/// What one side of a recorded connection did, and what the other side answered.
struct Replay: Sendable {
    /// Something that the played side did.
    struct Step: Sendable {
        enum Kind: Sendable {
            case send(Message)
            case ping
            case close(CloseCode, String)
        }

        var kind: Kind
        /// When, in nanoseconds since the connection was open.
        var time: Int64
        /// How many messages of the other side had come by then.
        var answers: Int
    }

    /// A recording that cannot be played, and why.
    struct Unplayable: Error, CustomStringConvertible {
        let description: String
    }

    /// What the played side did.
    private(set) var steps: [Step] = []
    /// The messages of the other side.
    private(set) var answers: [Message] = []
    /// When the last of them came, in nanoseconds since the connection was open.
    private(set) var end: Int64 = 0
    /// The target of the request.
    private(set) var path = "/"
    /// The subprotocol that was agreed on.
    private(set) var subprotocol: String?

    /// Takes a connection from a recording.
    ///
    /// - Parameters:
    ///   - connection: Its number; `nil` for the first that became a WebSocket.
    ///   - side: The side to play.
    init(_ recording: Recording, connection: UInt64?, side: TraceEvent.Observer) throws(Unplayable) {
        let opened = recording.events.first { event in
            if case .response(_, let head) = event.kind {
                head.status == 101 && (connection.map { $0 == event.connection } ?? true)
            } else {
                false
            }
        }
        guard let opened else {
            throw Unplayable(
                description: connection.map { "there is no WebSocket with the number \($0)" } ?? "there is no WebSocket"
            )
        }
        var isClosing = false
        let played: TraceEvent.Direction = opened.observer == side ? .sent : .received
        for event in recording.events
        where event.connection == opened.connection && event.observer == opened.observer {
            let time = max(0, event.time - opened.time)
            switch event.kind {
            case .request(_, let head): path = String((head.target ?? "/").prefix { $0 != "?" })
            case .response(_, let head): subprotocol = head["Sec-WebSocket-Protocol"]
            case .message(let direction, let recorded):
                let message = try Replay.message(recorded)
                if direction == played {
                    add(.send(message), time)
                } else {
                    answers.append(message)
                    end = time
                }
            case .frame(let direction, let frame) where frame.meaning == .close:
                // An answer to a Close frame is given by itself.
                if direction == played, !isClosing { add(Replay.close(frame), time) }
                isClosing = true
            case .frame(let direction, let frame) where frame.meaning == .ping:
                if direction == played { add(.ping, time) }
            default: break
            }
        }
        guard !steps.isEmpty || !answers.isEmpty else {
            throw Unplayable(description: "the WebSocket with the number \(opened.connection) has no messages")
        }
    }

    private mutating func add(_ kind: Step.Kind, _ time: Int64) {
        steps.append(Step(kind: kind, time: time, answers: answers.count))
        end = max(end, time)
    }

    private static func message(_ message: TraceEvent.Message) throws(Unplayable) -> Message {
        guard message.isWhole else {
            throw Unplayable(
                description: "payloads are not recorded to their end; record with --record-payloads whole, and without "
                    + "--redact")
        }
        let payload = message.payload ?? []
        return message.isText ? .text(String(decoding: payload, as: UTF8.self)) : .binary(payload)
    }

    private static func close(_ frame: TraceEvent.Frame) -> Step.Kind {
        guard let payload = frame.payload, payload.count >= 2 else { return .close(.normalClosure, "") }
        let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        // What was not allowed then is not now either.
        guard (try? CloseFrame(code: code)) != nil else { return .close(.normalClosure, "") }
        return .close(code, String(decoding: payload.dropFirst(2), as: UTF8.self))
    }
}
