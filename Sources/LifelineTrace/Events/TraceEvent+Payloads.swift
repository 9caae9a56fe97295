import Lifeline

extension TraceEvent {
    /// Returns the event with at most `limit` bytes of the payload of a data frame or message; with `nil`, without payload.
    ///
    /// The payloads of control frames are kept: they belong to the protocol, not to the application.
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
