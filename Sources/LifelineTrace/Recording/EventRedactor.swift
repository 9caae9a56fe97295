import Lifeline

/// Redacts events in order, and keeps the state that the redaction of fragmented messages needs.
package struct EventRedactor {
    private struct Direction: Hashable {
        let connection: UInt64
        let observer: WebSocketRole
        let direction: TraceEvent.Direction
    }

    let redaction: Redaction
    /// The redactors of fragmented text messages whose fragments were all seen. The payloads of other fragments are omitted.
    private var messages: [Direction: MemberRedactor] = [:]

    /// The most fragmented messages at a time.
    private static let maximumMessages = 10_000

    package init(_ redaction: Redaction) {
        self.redaction = redaction
    }

    /// Forgets all messages that have begun, because events were omitted.
    mutating func forgetMessages() {
        messages = [:]
    }

    /// Returns the redacted event.
    package mutating func callAsFunction(_ event: TraceEvent) -> TraceEvent {
        switch event.kind {
        case .frame(let direction, var frame) where redaction.redactsPayloads && !frame.meaning.isControl:
            let place = Direction(connection: event.connection, observer: event.observer, direction: direction)
            guard !frame.isFinal || frame.meaning == .continuation else {
                messages[place] = nil
                return redaction(event)
            }
            var event = event
            frame.payload = redacted(frame, at: place)
            event.kind = .frame(direction, frame)
            return event
        case .tcpEnded:
            for direction in [TraceEvent.Direction.sent, .received] {
                messages[
                    Direction(connection: event.connection, observer: event.observer, direction: direction)] = nil
            }
            return redaction(event)
        default: return redaction(event)
        }
    }

    /// Returns the redacted payload of a fragment; `nil` if its content is unknown.
    private mutating func redacted(_ frame: TraceEvent.Frame, at place: Direction) -> [UInt8]? {
        var redactor = messages.removeValue(forKey: place)
        switch frame.meaning {
        case .text: redactor = redaction.memberRedactor
        case .continuation: break
        // A binary message is text only if all of it is, which is known with the event of the message.
        default: return nil
        }
        guard var redactor, let payload = frame.payload else { return nil }
        var shown = redactor.read(payload)
        if frame.isFinal {
            shown += redactor.finish()
        } else if payload.count == frame.length, !frame.rsv1, messages.count < EventRedactor.maximumMessages {
            // After a fragment that was cut, or is compressed, the content of the next one is unknown.
            messages[place] = redactor
        }
        return shown
    }
}

extension Recording {
    /// Returns the recording without secrets, for a recording that was made without redaction, or by another program.
    public func redacted(_ redaction: Redaction = Redaction()) -> Recording {
        var redactor = EventRedactor(redaction)
        var recording = self
        recording.events = events.map { redactor($0) }
        return recording
    }
}
