/// What a connection has only when something is up: control frames on their way, and the end. An idle one has none of it.
final class EndpointColdState {
    /// The control frames that wait to be written.
    var control = ControlOutput()
    /// The payload of a control frame that came in pieces.
    var controlPayload = ByteStore()
    /// The Close frame that this side has asked to send.
    var closeSent: CloseFrame?
    /// How the connection ended.
    var outcome: CloseOutcome?
    /// Why a client's opening handshake failed.
    var handshakeFailure: HandshakeFailure?

    /// Whether there is nothing to keep.
    var isEmpty: Bool {
        control.isEmpty && controlPayload.isEmpty && closeSent == nil && outcome == nil && handshakeFailure == nil
    }
}
