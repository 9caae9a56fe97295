import Lifeline

extension TraceEvent {
    /// The event with at most so many bytes of a frame's or message's payload; `nil` leaves payloads out.
    ///
    /// Those of control frames stay: Close codes, and what Pings say, are the protocol's and not the application's.
    package func keepingPayloads(upTo limit: Int?) -> TraceEvent {
        func kept(_ payload: [UInt8]?) -> [UInt8]? {
            guard let limit, let payload else { return nil }
            return payload.count > limit ? Array(payload.prefix(limit)) : payload
        }
        var event = self
        switch kind {
        case .frame(let direction, var frame) where !frame.meaning.isControl:
            frame.payload = kept(frame.payload)
            event.kind = .frame(direction, frame)
        case .message(let direction, var message):
            message.payload = kept(message.payload)
            event.kind = .message(direction, message)
        default: break
        }
        return event
    }
}
