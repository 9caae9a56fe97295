import LifelineCore
import NIOCore

/// A data frame that owns its payload.
struct OutboundFrame: Sendable {
    var kind: MessageKind
    var position: FragmentPosition
    var payload: ByteBuffer
    /// Whether it is to be compressed, where that is agreed.
    var compress = MessageCompression.automatic
    /// The message with this payload that goes to many, so that it is compressed once.
    var prepared: PreparedMessage?

    /// Whether the frame continues a message.
    var isContinuation: Bool { position == .middle || position == .last }
}

extension OutboundFrame {
    /// A message that goes to many.
    init(_ message: PreparedMessage) {
        self.init(kind: message.kind, position: .only, payload: message.payload, prepared: message)
    }
}
