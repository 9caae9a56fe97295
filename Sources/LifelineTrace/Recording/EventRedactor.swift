import Lifeline

/// Redacts the events of connections in their order, and keeps of a message's fragments what those that follow need.
package struct EventRedactor {
    private struct Direction: Hashable {
        let connection: UInt64
        let observer: WebSocketRole
        let direction: TraceEvent.Direction
    }

    let redaction: Redaction
    /// Text messages in fragments, as far as all of them was seen. Of others the fragments' payloads are left out.
    private var messages: [Direction: MemberRedactor] = [:]

    /// The most messages that are followed at a time.
    private static let maximumMessages = 10_000

    package init(_ redaction: Redaction) {
        self.redaction = redaction
    }

    /// Events have been missed: nothing is known of messages that have begun.
    mutating func forget() {
        messages = [:]
    }

    /// The event as it may be shown.
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

    /// A fragment's payload; `nil` where it cannot be told what it means.
    private mutating func redacted(_ frame: TraceEvent.Frame, at place: Direction) -> [UInt8]? {
        var redactor = messages.removeValue(forKey: place)
        switch frame.meaning {
        case .text: redactor = redaction.memberRedactor
        case .continuation: break
        // Whether it is text is known at its end, when the message is told of.
        default: return nil
        }
        guard var redactor, let payload = frame.payload else { return nil }
        var shown = redactor.read(payload)
        if frame.isFinal {
            shown += redactor.finish()
        } else if payload.count == frame.length, !frame.rsv1, messages.count < EventRedactor.maximumMessages {
            // What follows one that was cut off, or compressed, might be anything.
            messages[place] = redactor
        }
        return shown
    }
}

extension Recording {
    /// The recording without what is secret, for one that was made without redaction, or by another program.
    public func redacted(_ redaction: Redaction = Redaction()) -> Recording {
        var redactor = EventRedactor(redaction)
        var recording = self
        recording.events = events.map { redactor($0) }
        return recording
    }
}
