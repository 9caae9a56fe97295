import LifelineCore
import NIOCore

/// A data frame that owns its payload.
struct OutboundFrame: Sendable {
    var kind: MessageKind
    var position: FragmentPosition
    var payload: ByteBuffer
    /// Whether the frame is compressed if the extension has been negotiated.
    var compress = MessageCompression.automatic
    /// The message to many connections that has this payload, so that it is compressed once.
    var prepared: PreparedMessage?

    /// Whether the frame continues a message.
    var isContinuation: Bool { position == .middle || position == .last }
}

extension OutboundFrame {
    /// Makes a frame of a message that goes to many connections.
    init(_ message: PreparedMessage) {
        self.init(kind: message.kind, position: .only, payload: message.payload, prepared: message)
    }
}
