import HTTPTypes
import LifelineCore

/// An ``Endpoint/Event`` that outlives the call that returned it: payloads are copied, so that events can be compared.
enum RecordedEvent: Hashable, Sendable {
    case request(HTTPRequest)
    case requestBody([UInt8])
    case requestBodyEnd
    case opened(HandshakeAgreement)
    case message(MessageKind, [UInt8])
    case chunk(MessageKind, [UInt8], isFirst: Bool, isLast: Bool)
    case ping([UInt8])
    case pong([UInt8], number: UInt64?, roundTrip: Duration?)
    case frame(FrameHeader)
    case closed

    /// A text message.
    static func text(_ text: String) -> RecordedEvent { .message(.text, Array(text.utf8)) }

    /// A binary message.
    static func binary(_ bytes: [UInt8]) -> RecordedEvent { .message(.binary, bytes) }

    /// A Ping with a text as its payload.
    static func ping(_ text: String) -> RecordedEvent { .ping(Array(text.utf8)) }

    /// A Pong that answers no Ping of ours, with a text as its payload.
    static func unsolicitedPong(_ text: String) -> RecordedEvent {
        .pong(Array(text.utf8), number: nil, roundTrip: nil)
    }
}

extension [RecordedEvent] {
    /// The messages, put together from chunks where they came in chunks, and all other events as they are.
    ///
    /// A message stands where its last chunk stands.
    var withChunksJoined: [RecordedEvent] {
        var joined: [RecordedEvent] = []
        var payload: [UInt8] = []
        for event in self {
            guard case .chunk(let kind, let bytes, let isFirst, let isLast) = event else {
                joined.append(event)
                continue
            }
            if isFirst { payload = [] }
            payload += bytes
            if isLast { joined.append(.message(kind, payload)) }
        }
        return joined
    }
}
