/// Rarely needed state of an endpoint: control frames that wait to be written, and the end. It is allocated on demand, so that idle
/// connections stay small.
final class EndpointColdState {
    /// The control frames that wait to be written.
    var control = ControlOutput()
    /// The payload of a control frame that came in pieces.
    var controlPayload = ByteStore()
    /// The Close frame that this side sends or has sent.
    var closeSent: CloseFrame?
    /// How the connection ended.
    var outcome: CloseOutcome?
    /// Why a client's opening handshake failed.
    var handshakeFailure: HandshakeFailure?

    /// Whether nothing is stored.
    var isEmpty: Bool {
        control.isEmpty && controlPayload.isEmpty && closeSent == nil && outcome == nil && handshakeFailure == nil
    }
}
