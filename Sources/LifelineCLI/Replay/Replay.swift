import Lifeline
import LifelineTrace
import NIOCore

/// One side of a recorded connection to play again, and the other side's messages to expect.
struct Replay: Sendable {
    /// A step of the played side.
    struct Step: Sendable {
        enum Kind: Sendable {
            case send(WebSocketMessage)
            /// A frame of a message in fragments.
            case fragment(MessageKind, FragmentPosition, ByteBuffer)
            case ping
            case close(CloseFrame)
            /// The end of TCP without a Close frame.
            case abort
        }

        var kind: Kind
        /// When, in nanoseconds since the connection opened.
        var time: Int64
        /// The number of messages that the other side had sent before it.
        var answers: Int
    }

    /// An error: why a recording cannot be played.
    struct Unplayable: Error, CustomStringConvertible {
        let description: String
    }

    /// The played side.
    let side: WebSocketRole
    /// The steps of the played side.
    private(set) var steps: [Step] = []
    /// The messages of the other side.
    private(set) var answers: [WebSocketMessage] = []
    /// How the connection ended, or `nil` if the recording breaks off before.
    private(set) var ending: ReplayEnding?
    /// When the last event happened, in nanoseconds since the connection opened.
    private(set) var end: Int64 = 0
    /// The target of the request.
    private(set) var path = "/"
    /// The agreed subprotocol.
    private(set) var subprotocol: String?

    /// Who sent the first Close frame.
    private var firstToClose: ReplayEnding.Initiator?
    /// The other side's Close frame.
    private var received: CloseFrame?
    /// The frames of the played side's unfinished message.
    private var frames: [(frame: TraceEvent.Frame, time: Int64, answers: Int, step: Int)] = []

    /// Takes a connection from a recording.
    ///
    /// - Parameters:
    ///   - connection: Its number, or `nil` for the first WebSocket connection.
    ///   - side: The side to play.
    init(_ recording: Recording, connection: UInt64?, side: WebSocketRole) throws(Unplayable) {
        self.side = side
        let opened = recording.events.first { event in
            if case .response(_, let head) = event.kind {
                head.status == 101 && (connection.map { $0 == event.connection } ?? true)
            } else {
                false
            }
        }
        guard let opened else {
            throw Unplayable(
                description: connection.map { "there is no WebSocket connection \($0)" }
                    ?? "there is no WebSocket connection"
            )
        }
        let missing = recording.omissions.first { omission in
            omission.isMessage && (omission.connection.map { $0 == opened.connection } ?? true)
        }
        if let missing {
            throw Unplayable(description: "the recording is incomplete: \(missing)")
        }
        let events = recording.events.filter {
            $0.connection == opened.connection && $0.observer == opened.observer
        }
        for event in events { try add(event, opened) }
        addBrokenOff()
        addEnding(events, opened)
        guard !steps.isEmpty || !answers.isEmpty || ending != nil else {
            throw Unplayable(
                description:
                    "the WebSocket connection with the number \(opened.connection) has neither messages nor an end")
        }
    }

    private mutating func add(_ event: TraceEvent, _ opened: TraceEvent) throws(Unplayable) {
        let time = max(0, event.time.subtractingSaturating(opened.time))
        let played: TraceEvent.Direction = opened.observer == side ? .sent : .received
        switch event.kind {
        case .request(_, let head): path = String((head.target ?? "/").prefix { $0 != "?" })
        case .response(_, let head): subprotocol = head["Sec-WebSocket-Protocol"]
        case .message(played, let message): try addMessage(message, time)
        // A side that has sent a Close frame ignores further messages.
        case .message(_, let message) where firstToClose != .played:
            answers.append(try Replay.message(message, message.payload))
            end = time
        case .frame(let direction, let frame) where frame.meaning == .close:
            let close = Replay.close(frame)
            if direction != played {
                received = received ?? close
            } else if firstToClose == nil {
                // The library answers a Close frame itself.
                add(.close(close), time)
            }
            firstToClose = firstToClose ?? (direction == played ? .played : .other)
        case .frame(played, let frame):
            switch frame.meaning {
            case .ping: add(.ping, time)
            case .text, .binary, .continuation:
                if frame.meaning != .continuation { frames = [] }
                frames.append((frame, time, answers.count, steps.count))
            default: break
            }
        default: break
        }
    }

    private mutating func add(_ kind: Step.Kind, _ time: Int64) {
        steps.append(Step(kind: kind, time: time, answers: answers.count))
        end = max(end, time)
    }

    // MARK: Messages and their fragments

    private mutating func addMessage(_ message: TraceEvent.Message, _ time: Int64) throws(Unplayable) {
        defer { frames = [] }
        guard frames.count > 1 else {
            add(.send(try Replay.message(message, message.payload ?? frames.first?.frame.payload)), time)
            return
        }
        // A message sent in fragments may be recorded with the payloads of its frames only.
        let joined = frames.reduce(into: [UInt8]()) { $0 += $1.frame.payload ?? [] }
        let payload = message.isWhole ? message.payload : joined
        let whole = try Replay.message(message, payload)
        guard let parts = fragments(of: payload ?? [], joined: joined) else {
            // The message was compressed, and its fragments were not recorded.
            add(.send(whole), time)
            return
        }
        insertFragments(parts, message.isText ? .text : .binary, isComplete: true)
    }

    /// Splits a payload as its frames did, or returns `nil` if the recording does not show how.
    private func fragments(of payload: [UInt8], joined: [UInt8]) -> [[UInt8]]? {
        let lengths: [Int]
        if frames.reduce(0, { $0.addingSaturating($1.frame.length) }) == payload.count, frames[0].frame.rsv1 == false {
            lengths = frames.map(\.frame.length)
        } else if joined == payload {
            lengths = frames.map { $0.frame.payload?.count ?? 0 }
        } else {
            return nil
        }
        var rest = payload[...]
        return lengths.map { length in
            defer { rest = rest.dropFirst(max(length, 0)) }
            return Array(rest.prefix(max(length, 0)))
        }
    }

    /// Inserts fragments in their places among the played side's other steps.
    private mutating func insertFragments(_ parts: [[UInt8]], _ kind: MessageKind, isComplete: Bool) {
        let first = frames.first?.step ?? steps.count
        let others = Array(steps[first...])
        var taken = 0
        steps.removeSubrange(first...)
        for (index, (entry, part)) in zip(frames, parts).enumerated() {
            // The other steps before this frame.
            let before = entry.step - first
            steps += others[taken..<before]
            taken = before
            let isLast = isComplete && index == parts.count - 1
            let position: FragmentPosition = index == 0 ? .first : isLast ? .last : .middle
            steps.append(
                Step(
                    kind: .fragment(kind, position, ByteBuffer(bytes: part)), time: entry.time, answers: entry.answers))
            end = max(end, entry.time)
        }
        steps += others[taken...]
    }

    /// Adds the fragments of an unfinished message, if they are recorded.
    private mutating func addBrokenOff() {
        guard let first = frames.first, first.frame.meaning != .continuation,
            frames.allSatisfy({ !$0.frame.isFinal && $0.frame.payload?.count == $0.frame.length })
        else { return }
        insertFragments(
            frames.map { $0.frame.payload ?? [] }, first.frame.meaning == .text ? .text : .binary, isComplete: false)
        frames = []
    }

    private static func message(
        _ message: TraceEvent.Message, _ payload: [UInt8]?
    ) throws(Unplayable) -> WebSocketMessage {
        guard (payload ?? []).count == message.size else {
            throw Unplayable(
                description:
                    "the recording does not have all payloads; record with --record-payloads whole and without "
                    + "--redact")
        }
        guard message.isText else { return .binary(payload ?? []) }
        guard let text = String(validating: payload ?? [], as: UTF8.self) else {
            throw Unplayable(description: "the payload of a text message is not UTF-8, so it cannot be sent as text")
        }
        return .text(text)
    }

    // MARK: The end

    private mutating func addEnding(_ events: [TraceEvent], _ opened: TraceEvent) {
        let isOver = events.first { event in
            switch event.kind {
            case .ended, .finished, .failed, .tcpEnded: true
            default: false
            }
        }
        guard received != nil || isOver != nil else { return }
        var initiator = firstToClose
        for case .ended(let ending) in events.map(\.kind) {
            if ending.initiator == .both {
                initiator = .both
            } else if initiator == nil {
                initiator = (ending.initiator == .local) == (opened.observer == side) ? .played : .other
            }
        }
        let ending = ReplayEnding(
            initiator: initiator ?? .other, received: received, hasClosed: firstToClose == .played, failure: nil)
        self.ending = ending
        let time = max(0, (isOver?.time ?? 0).subtractingSaturating(opened.time))
        end = max(end, time)
        if ending.initiator == .played, firstToClose == nil { add(.abort, time) }
    }

    private static func close(_ frame: TraceEvent.Frame) -> CloseFrame {
        guard let payload = frame.payload, payload.count >= 2 else { return .empty }
        let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        let reason = String(decoding: payload.dropFirst(2), as: UTF8.self)
        // A code that may not be sent cannot be played.
        return (try? CloseFrame(code: code, reason: reason)) ?? .empty
    }
}
