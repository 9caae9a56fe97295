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

/// Limits and times that many connections share, in one place of memory.
public final class SharedEndpointConfiguration: Sendable {
    /// The limits and times.
    public let value: EndpointConfiguration

    /// Shares a configuration.
    public init(_ value: EndpointConfiguration) {
        self.value = value
    }
}
